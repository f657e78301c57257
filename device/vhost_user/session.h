// One front end's conversation: what it has negotiated, and what its messages do to the device.
//
// Knows messages and the device, no socket. For each message, in this order: is it known, is it
// offered, has it the right shape, was what it needs negotiated; then its handler runs. What the
// front end is told:
//
//   has a reply of its own   that reply; where there is none to give, the connection ends
//   need_reply, REPLY_ACK    0 or 1; after a 1 the conversation goes on, except that a message of
//                            the wrong shape ends it: whoever sends one is broken
//   else                     success is silence; failure ends the connection, because nothing else
//                            could tell the front end
//
// A request that the specification does not have is refused if the front end asked for a reply,
// else ignored, and logged either way: it may be from a later version of the protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/memory/guest_memory.h"
#include "device/result.h"
#include "device/vhost_user/message_rules.h"
#include "device/vhost_user/message_socket.h"
#include "device/vhost_user/protocol.h"
#include "device/virtio_device.h"

namespace skbtrail::device::vhost_user {

struct SessionOptions {
    /// Offer CONFIG: the front end reads the configuration space from us. QEMU keeps its own and
    /// prints a warning when a network back end offers it.
    bool serve_config = false;
};

class Session {
  public:
    /// The device must outlive the session, which resets it when it ends.
    Session(VirtioDevice& device, NetworkControl& network, SessionOptions options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    struct Answer {
        /// Payload of a reply, which may be empty; absent: no reply.
        std::optional<std::vector<std::byte>> reply;
        /// The connection has to end: a sentence. A reply, if there is one, goes out before.
        std::optional<std::string> end;
    };
    Answer handle(Message message);

    std::uint64_t offered_protocol_features() const noexcept;
    std::uint64_t protocol_features() const noexcept { return protocol_features_; }

  private:
    /// Payload of the reply for messages that have one of their own; ignored for the others.
    using Handled = Result<std::vector<std::byte>>;

    Handled dispatch(Request request, Message& message);
    Handled set_features(std::uint64_t features);
    Handled set_protocol_features(std::uint64_t features);
    Handled set_memory_table(Message& message);
    Handled add_memory_region(Message& message);
    Handled remove_memory_region(const Message& message);
    Handled set_ring_addresses(const VringAddress& address);
    Handled get_ring_base(const VringState& state);
    Handled set_ring_enabled(const VringState& state);
    Handled set_ring_file(Request request, Message& message);
    Handled set_status(std::uint64_t status);
    Handled get_config(const Message& message);
    Handled set_config(const Message& message);
    Handled send_rarp(std::uint64_t payload);
    void use_memory(GuestMemory memory);

    VirtioDevice& device_;
    NetworkControl& network_;
    SessionOptions options_;
    std::uint64_t protocol_features_ = 0;
    std::shared_ptr<const GuestMemory> memory_ = std::make_shared<GuestMemory>();
};

}  // namespace skbtrail::device::vhost_user
