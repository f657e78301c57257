// The connecting side: the front end listens (DPDK's virtio-user with server=1), we come to it.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "device/event_loop.h"
#include "device/unique_fd.h"

namespace skbtrail::device::vhost_user {

/// Connects to a Unix socket, and tries again until somebody listens there: soon at first, then
/// once a second, for as long as it takes. Says what it waits for once, not each time.
class Connector {
  public:
    /// Tries first when the loop runs. `on_connected` gets the connected, non-blocking socket;
    /// after that nothing is tried until again(). Throws std::invalid_argument for a path that
    /// cannot be a socket's.
    Connector(EventLoop& loop, std::string path, std::function<void(UniqueFd)> on_connected);
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;
    ~Connector() = default;

    /// The connection has ended: tries to get the next one, after a moment.
    void again();
    const std::string& path() const noexcept { return path_; }

    /// Between the first tries, and between all later ones.
    static constexpr std::chrono::milliseconds shortest_pause{50};
    static constexpr std::chrono::milliseconds longest_pause{1000};

  private:
    void try_now();

    std::string path_;
    std::function<void(UniqueFd)> on_connected_;
    std::chrono::milliseconds pause_ = shortest_pause;
    int told_ = 0;  ///< errno of the failure that was logged last
    EventLoop::Timer timer_;
};

}  // namespace skbtrail::device::vhost_user
