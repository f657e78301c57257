#include "device/vhost_user/back_end_channel.h"

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

namespace skbtrail::device::vhost_user {

namespace {

bool is_stream_socket(int fd) {
    int type = 0;
    socklen_t length = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

}  // namespace

Result<std::shared_ptr<BackEndChannel>> BackEndChannel::adopt(UniqueFd socket, EventLoop& loop,
                                                              bool acknowledged) {
    if (!is_stream_socket(socket.get())) {
        return failure("the descriptor is no stream socket");
    }
    try {
        return std::shared_ptr<BackEndChannel>(
            new BackEndChannel(std::move(socket), loop, acknowledged));
    } catch (const std::system_error& error) {
        return failure(error.what());
    }
}

BackEndChannel::BackEndChannel(UniqueFd socket, EventLoop& loop, bool acknowledged)
    : socket_(std::move(socket)),
      watch_(loop.add_fd(socket_.get(), EPOLLIN | EPOLLRDHUP,
                         [this](std::uint32_t events) { ready(events); })),
      acknowledged_(acknowledged) {}

bool BackEndChannel::call(unsigned ring) {
    return note(calls_, ring);
}

bool BackEndChannel::error(unsigned ring) {
    return note(errors_, ring);
}

bool BackEndChannel::config_changed() {
    if (!socket_) {
        return false;
    }
    merged_ += config_changed_ ? 1 : 0;
    config_changed_ = true;
    pump();
    return !broken();
}

bool BackEndChannel::note(std::bitset<max_rings>& flags, unsigned ring) {
    if (!socket_) {
        return false;
    }
    merged_ += flags.test(ring) ? 1 : 0;
    flags.set(ring);
    pump();
    return !broken();
}

void BackEndChannel::pump() {
    while (socket_ && flush() && !waiting_for_acknowledgement_ && compose()) {
    }
}

bool BackEndChannel::compose() {
    const auto message = [this](BackEndRequest request, const std::vector<std::byte>& payload) {
        const Header header{static_cast<std::uint32_t>(request),
                            flag_version | (acknowledged_ ? flag_need_reply : 0),
                            static_cast<std::uint32_t>(payload.size())};
        out_ = to_payload(header);
        out_.insert(out_.end(), payload.begin(), payload.end());
        waiting_for_acknowledgement_ = acknowledged_;
        return true;
    };
    if (std::exchange(config_changed_, false)) {
        return message(BackEndRequest::config_change, {});
    }
    for (auto [flags, request] : {std::pair(&errors_, BackEndRequest::vring_err),
                                  std::pair(&calls_, BackEndRequest::vring_call)}) {
        // From the ring after the last one on: a busy ring does not keep others from their turn.
        for (unsigned step = 1; flags->any() && step <= max_rings; ++step) {
            const unsigned ring = (last_ring_ + step) % max_rings;
            if (flags->test(ring)) {
                flags->reset(ring);
                last_ring_ = ring;
                return message(request, to_payload(VringState{ring, 0}));
            }
        }
    }
    return false;
}

bool BackEndChannel::flush() {
    while (!out_.empty()) {
        const ssize_t sent =
            ::send(socket_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch_.set_events(EPOLLIN | EPOLLRDHUP | EPOLLOUT);
            return false;
        }
        if (sent < 0) {
            break_off(std::strerror(errno));
            return false;
        }
        out_.erase(out_.begin(), out_.begin() + sent);
        if (out_.empty()) {
            ++sent_;
            watch_.set_events(EPOLLIN | EPOLLRDHUP);
        }
    }
    return true;
}

void BackEndChannel::ready(std::uint32_t events) {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        read_acknowledgements();
    }
    pump();
}

void BackEndChannel::read_acknowledgements() {
    while (socket_) {
        const ssize_t got =
            ::recv(socket_.get(), in_.data() + in_have_, in_.size() - in_have_, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (got == 0) {
            // QEMU does so before it leaves.
            spdlog::debug("the front end has closed the back end's channel");
            close();
            return;
        }
        if (got < 0) {
            break_off(std::strerror(errno));
            return;
        }
        in_have_ += static_cast<std::size_t>(got);
        if (in_have_ < in_.size()) {
            continue;
        }
        in_have_ = 0;
        const auto header = read_payload<Header>(in_);
        if ((header.flags & flag_reply) == 0 || header.size != sizeof(std::uint64_t) ||
            !std::exchange(waiting_for_acknowledgement_, false)) {
            break_off("the front end says there what is no acknowledgement");
            return;
        }
        if (const auto status = read_payload<std::uint64_t>(std::span(in_).subspan(sizeof header));
            status != 0) {
            spdlog::warn("the front end could not handle message {} of the back end (status {})",
                         header.request, status);
        }
    }
}

void BackEndChannel::break_off(const std::string& why) {
    spdlog::warn("the back end's channel to the front end is lost: {}", why);
    close();
}

void BackEndChannel::close() {
    watch_.reset();
    socket_.reset();
}

}  // namespace skbtrail::device::vhost_user
