#include "device/vhost_user/message_socket.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace skbtrail::device::vhost_user {

namespace {

/// The most descriptors that the kernel passes at once (SCM_MAX_FD): with room for them a surplus
/// is seen, and counted, instead of being cut off.
constexpr std::size_t kernel_max_fds = 253;

}  // namespace

MessageSocket::Received MessageSocket::receive() {
    if (header_have_ < header_.size()) {
        switch (fill(header_, header_have_)) {
            case Progress::complete:
                break;
            case Progress::not_yet:
                return NotYet{};
            case Progress::closed:
                return Closed{header_have_ > 0};
            case Progress::broken:
                return Broken{reason_};
        }
        const auto header = read_payload<Header>(header_);
        if (auto valid = validate(header); !valid) {
            return Broken{valid.error().message};
        }
        message_.request = header.request;
        message_.need_reply = (header.flags & flag_need_reply) != 0;
        message_.payload.resize(header.size);
        payload_have_ = 0;
    }
    switch (fill(message_.payload, payload_have_)) {
        case Progress::complete:
            break;
        case Progress::not_yet:
            return NotYet{};
        case Progress::closed:
            return Closed{true};
        case Progress::broken:
            return Broken{reason_};
    }
    header_have_ = 0;
    return std::exchange(message_, Message{});
}

MessageSocket::Progress MessageSocket::fill(std::span<std::byte> to, std::size_t& have) {
    while (have < to.size()) {
        iovec part{to.data() + have, to.size() - have};
        alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kernel_max_fds * sizeof(int))> control;
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                return Progress::not_yet;
            }
            if (errno == ECONNRESET) {
                return Progress::closed;
            }
            reason_ = fmt::format("reading from the front end: {}", std::strerror(errno));
            return Progress::broken;
        }
        if (!take_fds(message)) {
            return Progress::broken;
        }
        if (got == 0) {
            return Progress::closed;
        }
        have += static_cast<std::size_t>(got);
    }
    return Progress::complete;
}

bool MessageSocket::take_fds(const msghdr& message) {
    msghdr copy = message;
    for (cmsghdr* part = CMSG_FIRSTHDR(&copy); part != nullptr; part = CMSG_NXTHDR(&copy, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            message_.fds.emplace_back(fd);
        }
    }
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        reason_ =
            "descriptors of a message were lost: this process may not open more files "
            "(ulimit -n)";
        return false;
    }
    // Pieces of one message can bring descriptors each; without a bound they would add up.
    if (message_.fds.size() > kernel_max_fds) {
        reason_ = fmt::format("more than {} descriptors with one message", kernel_max_fds);
        return false;
    }
    return true;
}

Result<> MessageSocket::reply(std::uint32_t request, std::span<const std::byte> payload, int fd) {
    const Header header{request, flag_version | flag_reply,
                        static_cast<std::uint32_t>(payload.size())};
    std::array<iovec, 2> parts{
        iovec{const_cast<Header*>(&header), sizeof header},
        iovec{const_cast<std::byte*>(payload.data()), payload.size()},
    };
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    if (fd >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    ssize_t sent = -1;
    do {
        sent = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent == static_cast<ssize_t>(sizeof header + payload.size())) {
        return {};
    }
    if (sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
        return failure("the front end does not read its replies");
    }
    return failure(fmt::format("replying to the front end: {}", std::strerror(errno)));
}

}  // namespace skbtrail::device::vhost_user
