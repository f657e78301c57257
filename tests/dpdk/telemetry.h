// DPDK's telemetry socket: the counters of a running testpmd, as JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "device/unique_fd.h"

namespace skbtrail::dpdk {

/// What a port has carried since it was started.
struct PortCounters {
    std::uint64_t received = 0;     ///< frames
    std::uint64_t transmitted = 0;  ///< frames, given to the ring
    std::uint64_t received_bytes = 0;
    std::uint64_t transmitted_bytes = 0;
    std::uint64_t missed = 0;  ///< frames that there was no room for
    std::uint64_t errors = 0;  ///< of either direction
};

class Telemetry {
  public:
    /// Connects to the socket at `path`, trying again while `alive()` until `limit`. Throws
    /// std::runtime_error with a sentence when that fails.
    Telemetry(const std::filesystem::path& path, std::chrono::milliseconds limit,
              const std::function<bool()>& alive);

    /// The answer to a command: "/ethdev/stats,0". Throws std::runtime_error when there is none.
    nlohmann::json ask(const std::string& command);
    PortCounters counters(unsigned port);

  private:
    std::string receive();

    device::UniqueFd socket_;
};

}  // namespace skbtrail::dpdk
