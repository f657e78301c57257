#include "device/vhost_user/connector.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace skbtrail::device::vhost_user {

Connector::Connector(EventLoop& loop, std::string path, std::function<void(UniqueFd)> on_connected)
    : path_(std::move(path)),
      on_connected_(std::move(on_connected)),
      timer_(loop.add_timer(EventLoop::Clock::now(), [this] { try_now(); })) {
    if (path_.empty() || path_.size() >= sizeof(sockaddr_un::sun_path)) {
        throw std::invalid_argument(
            fmt::format("--connect: a socket's path has 1 to {} characters, and \"{}\" has {}",
                        sizeof(sockaddr_un::sun_path) - 1, path_, path_.size()));
    }
}

void Connector::again() {
    pause_ = shortest_pause;
    told_ = 0;
    timer_.arm(EventLoop::Clock::now() + pause_);
}

void Connector::try_now() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // A local connection is made at once or not at all: nothing is ever in progress.
    if (socket &&
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        pause_ = shortest_pause;
        told_ = 0;
        on_connected_(std::move(socket));
        return;
    }
    if (errno != told_) {
        told_ = errno;
        spdlog::info("waiting for a front end to listen at {}: {}", path_, std::strerror(errno));
    }
    timer_.arm(EventLoop::Clock::now() + pause_);
    pause_ = std::min(2 * pause_, longest_pause);
}

}  // namespace skbtrail::device::vhost_user
