// What the NIC may do once it has started: move frames, and nothing else.
//
// Everything that needs a name is opened before: sockets, files, taps. Then the rights of root go,
// no program that is started could get any back, and the kernel refuses every system call that
// moving frames does not need: opening files, making sockets, starting programs, mapping memory
// that can be executed. A call that is refused fails with "Operation not permitted" and is named
// on stderr, once; the NIC lives on, because refusing is enough and a guest should not be able to
// end it by making it try.
#pragma once

#include "device/result.h"

namespace skbtrail::device {

/// What a NIC needs besides moving frames between descriptors that are open.
struct SandboxNeeds {
    bool internet = false;  ///< WireNeeds::internet
    /// Makes connections to Unix sockets: a front end that listens is connected to again.
    bool unix_sockets = false;
    bool device_settings = false;  ///< WireNeeds::device_settings
};

/// Gives up the capabilities of the calling thread. Fails with a sentence.
Result<> drop_capabilities();

/// Confines all threads of this process, for good. The log must have been used before, because it
/// reads the time zone's file. Fails with a sentence, having changed nothing that matters, where
/// the kernel has no seccomp filters.
Result<> enter_sandbox(const SandboxNeeds& needs);

}  // namespace skbtrail::device
