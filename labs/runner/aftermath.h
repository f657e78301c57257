// What is made of a run when its guest has ended.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "guest/kernel_store.h"
#include "labs/runner/accelerator.h"
#include "labs/runner/lab.h"
#include "labs/runner/qemu.h"
#include "labs/runner/ring_join.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// What the host knows of a run, and the guest does not.
struct HostFacts {
    const Lab& lab;
    const guest::Kernel& kernel;
    const Qemu& qemu;
    Accelerator accelerator = Accelerator::tcg;
    GuestClock clock = GuestClock::real;
};

/// The recording that the guest sent, with what the host knows, and what the kernel's debug
/// information tells where it is at hand, joined with the NICs' ring events.
struct JoinedRecording {
    chain::Recording recording;  ///< with texts that may be printed
    RingJoin ring;
    std::string text;     ///< the recording as JSON, with its texts as they came
    std::string summary;  ///< for a person: how many ring events were joined
};

/// `ring_events`: the file of each NIC, in order. Throws chain::FormatError when `sent` is no
/// recording, or one of them has no ring events.
JoinedRecording join_recording(const std::string& sent,
                               const std::vector<std::filesystem::path>& ring_events,
                               const HostFacts& facts);

}  // namespace skbtrail::labs
