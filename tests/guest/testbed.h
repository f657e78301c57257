// A guest in front of a NIC on wire nat: what most tests of the collector begin with.
#pragma once

#include <filesystem>

#include "tests/guest/machine.h"
#include "tests/guest/nic.h"
#include "tests/guest/program.h"

namespace skbtrail::tests {

/// Booted, its agent ready; its links are down.
struct Testbed {
    explicit Testbed(const MachineOptions& options = {}) : machine(scratch, socket, options) {}

    Scratch scratch;
    std::filesystem::path socket = scratch.path() / "nic";
    Nic nic{scratch, socket};
    Machine machine;
};

}  // namespace skbtrail::tests
