// Whether a socket has a listener yet.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace skbtrail::dpdk {

/// Waits until somebody listens at `path` (the socket's file alone appears a moment before), while
/// `alive()`, until `limit`. False: nobody does.
bool wait_listening(const std::string& path, std::chrono::milliseconds limit,
                    const std::function<bool()>& alive);

}  // namespace skbtrail::dpdk
