// The command line of skbtrail-nic.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <spdlog/common.h>

#include "device/faults/fault_spec.h"
#include "device/net/features.h"

namespace skbtrail::device {

struct NicOptions {
    std::string socket;   ///< path to listen at; empty: connect
    std::string connect;  ///< path to connect to; empty: socket
    std::string wire = "nat";
    FeatureChanges features;
    std::optional<std::array<std::byte, 6>> mac;
    std::optional<std::uint16_t> mtu;
    unsigned queues = 1;  ///< pairs
    bool serve_config = false;
    bool poll = false;        ///< never sleep while a queue runs
    unsigned latency_ms = 0;  ///< between a transmit kick and looking at the ring
    std::string capture;      ///< path; empty: none
    std::string events;       ///< path, or unix:PATH; empty: none
    std::string control;      ///< path of the control socket; empty: none
    std::vector<FaultSpec> faults;
    std::uint64_t seed = 1;  ///< of the faults
    spdlog::level::level_enum log_level = spdlog::level::info;
    std::optional<int> ready_fd;
    bool exit_with_parent = false;
    bool once = false;
    bool sandbox = true;
};

/// What to do instead of serving: print `message` and exit with `status` (0 for --help and
/// --version, 64 for a command line that makes no sense).
struct EarlyExit {
    int status = 0;
    std::string message;
};

/// Reads the command line. Checks words and ranges, not whether files can be opened.
std::variant<NicOptions, EarlyExit> parse_options(int argc, const char* const* argv);

}  // namespace skbtrail::device
