// Messages from and to a front end over its socket, without ever waiting for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <sys/socket.h>

#include "device/result.h"
#include "device/unique_fd.h"
#include "device/vhost_user/protocol.h"

namespace skbtrail::device::vhost_user {

/// A request as it came: its header is valid, its payload has the size that the header says, and
/// nothing else was checked. Descriptors that nobody takes out are closed with it.
struct Message {
    std::uint32_t request = 0;
    bool need_reply = false;
    std::vector<std::byte> payload;
    std::vector<UniqueFd> fds;
};

class MessageSocket {
  public:
    /// A connected stream socket.
    explicit MessageSocket(UniqueFd socket) : socket_(std::move(socket)) {}

    /// Nothing more now; call again when the socket is readable.
    struct NotYet {};
    /// The front end has left. `in_message`: in the middle of one.
    struct Closed {
        bool in_message = false;
    };
    /// What comes is not the protocol, or the socket failed; it is of no further use.
    struct Broken {
        std::string reason;
    };
    using Received = std::variant<Message, NotYet, Closed, Broken>;

    /// The next message. A front end may send it in any pieces.
    Received receive();
    /// Sends a reply. Fails when the front end does not read its replies, or is gone.
    /// `fd`: a descriptor to go with it, or -1.
    Result<> reply(std::uint32_t request, std::span<const std::byte> payload, int fd = -1);

    int fd() const noexcept { return socket_.get(); }

  private:
    enum class Progress : std::uint8_t { complete, not_yet, closed, broken };
    Progress fill(std::span<std::byte> to, std::size_t& have);
    bool take_fds(const msghdr& message);

    UniqueFd socket_;
    std::array<std::byte, sizeof(Header)> header_{};
    std::size_t header_have_ = 0;
    Message message_;
    std::size_t payload_have_ = 0;
    std::string reason_;
};

}  // namespace skbtrail::device::vhost_user
