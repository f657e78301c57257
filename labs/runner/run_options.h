// What the user may choose about a run.
#pragma once

#include <filesystem>
#include <string>

#include "labs/runner/guest_clock.h"

namespace skbtrail::labs {

struct RunOptions {
    std::string kernel;                   ///< as KernelStore::resolve takes it; empty: the lab's
    std::string accelerator = "auto";     ///< auto, kvm, tcg
    std::string uri;                      ///< empty: the embedded driver
    GuestClock clock = GuestClock::real;  ///< instructions: emulated, by the embedded driver
    std::filesystem::path qemu;           ///< empty: from PATH
    std::filesystem::path output;         ///< empty: default_result_path()
    std::string append;                   ///< added to the guest kernel's command line
    std::filesystem::path resume_from;    ///< a kept guest (kept_guest.h) to take up; empty: boot
    std::filesystem::path keep_at;        ///< where keep_guest() puts one
    bool keep_logs = false;               ///< keep QEMU's and libvirt's log of a good run too
};

}  // namespace skbtrail::labs
