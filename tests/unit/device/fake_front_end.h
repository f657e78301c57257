// A front end for tests: writes any message, honest or not, and reads replies.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/event_loop.h"
#include "device/unique_fd.h"
#include "device/vhost_user/protocol.h"

namespace skbtrail::device::test {

/// Descriptors of this process that are open: for what must not leave any behind.
inline std::size_t open_descriptors() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                      std::filesystem::directory_iterator()));
}

using vhost_user::Request;

/// Sends `bytes` with `fds` in one go.
inline void send_raw(int socket, std::span<const std::byte> bytes,
                     const std::vector<int>& fds = {}) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    std::vector<std::byte> control(CMSG_SPACE(fds.size() * sizeof(int)));
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
        throw std::runtime_error("the test's front end cannot send");
    }
}

inline std::vector<std::byte> encode(std::uint32_t request, std::span<const std::byte> payload,
                                     std::uint32_t flags = vhost_user::flag_version) {
    const vhost_user::Header header{request, flags, static_cast<std::uint32_t>(payload.size())};
    std::vector<std::byte> bytes(sizeof header + payload.size());
    std::memcpy(bytes.data(), &header, sizeof header);
    if (!payload.empty()) {
        std::memcpy(bytes.data() + sizeof header, payload.data(), payload.size());
    }
    return bytes;
}

class FakeFrontEnd {
  public:
    struct Reply {
        std::uint32_t request = 0;
        std::uint32_t flags = 0;
        std::vector<std::byte> payload;
        std::uint64_t u64() const {
            if (payload.size() != 8) {
                throw std::runtime_error("a reply that is no u64");
            }
            return vhost_user::read_payload<std::uint64_t>(payload);
        }
    };

    /// Connects to a listening socket, of which `loop` serves the other end.
    FakeFrontEnd(EventLoop& loop, const std::string& path)
        : loop_(loop), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            throw std::runtime_error("the test's front end cannot connect to " + path);
        }
        settle();
    }

    /// Lets the other side do what there is to do. One that polls a ring is never done: it gets
    /// turns enough.
    void settle() {
        for (int turns = 0; turns < 2000 && loop_.turn(std::chrono::milliseconds(0)); ++turns) {
        }
    }

    void send(Request request, std::span<const std::byte> payload = {},
              const std::vector<int>& fds = {}, bool need_reply = false) {
        send_raw(socket_.get(),
                 encode(static_cast<std::uint32_t>(request), payload,
                        vhost_user::flag_version | (need_reply ? vhost_user::flag_need_reply : 0)),
                 fds);
        settle();
    }
    template <typename T>
    void send_value(Request request, const T& value, const std::vector<int>& fds = {},
                    bool need_reply = false) {
        send(request, std::as_bytes(std::span(&value, 1)), fds, need_reply);
    }

    /// A reply that is there; none when none is.
    std::optional<Reply> receive() {
        vhost_user::Header header{};
        if (::recv(socket_.get(), &header, sizeof header, MSG_DONTWAIT) != sizeof header) {
            return std::nullopt;
        }
        Reply reply{header.request, header.flags, std::vector<std::byte>(header.size)};
        if (header.size > 0 && ::recv(socket_.get(), reply.payload.data(), header.size,
                                      MSG_DONTWAIT) != static_cast<ssize_t>(header.size)) {
            throw std::runtime_error("half a reply");
        }
        return reply;
    }
    /// Sends a request that has a reply, and takes it.
    Reply ask(Request request, std::span<const std::byte> payload = {}) {
        send(request, payload);
        auto reply = receive();
        if (!reply) {
            throw std::runtime_error("no reply");
        }
        return *reply;
    }
    template <typename T>
    Reply ask_value(Request request, const T& value) {
        return ask(request, std::as_bytes(std::span(&value, 1)));
    }
    /// Sends with need_reply and returns the acknowledgement: 0 is success.
    template <typename T>
    std::uint64_t acknowledge(Request request, const T& value, const std::vector<int>& fds = {}) {
        send_value(request, value, fds, true);
        const auto reply = receive();
        if (!reply) {
            throw std::runtime_error("no acknowledgement");
        }
        return reply->u64();
    }

    /// Whether the other side has ended the connection.
    bool ended() {
        settle();
        pollfd state{socket_.get(), POLLRDHUP, 0};
        ::poll(&state, 1, 0);
        return (state.revents & (POLLHUP | POLLRDHUP)) != 0;
    }
    void leave() {
        socket_.reset();
        settle();
    }
    int fd() const { return socket_.get(); }

  private:
    EventLoop& loop_;
    UniqueFd socket_;
};

}  // namespace skbtrail::device::test
