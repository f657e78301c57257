// One front end's conversation: what it has negotiated, and what its messages do to the device.
//
// Knows messages and the device, not the socket they came from. For each message, in this order:
// is it known, is it offered, has it the right shape, was what it needs negotiated; then its
// handler runs. What the front end is told:
//
//   has a reply of its own   that reply; where there is none to give, the connection ends
//   need_reply, REPLY_ACK    0 or 1; after a 1 the conversation goes on, except that a message of
//                            the wrong shape ends it: whoever sends one is broken
//   else                     success is silence; failure ends the connection, because nothing else
//                            could tell the front end
//
// A request that the specification does not have is refused if the front end asked for a reply,
// else ignored, and logged either way: it may be from a later version of the protocol.
//
// The handlers are in session_memory.cpp, session_rings.cpp and session_device.cpp.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "device/event_loop.h"
#include "device/memory/dirty_log.h"
#include "device/memory/guest_memory.h"
#include "device/result.h"
#include "device/vhost_user/back_end_channel.h"
#include "device/vhost_user/message_rules.h"
#include "device/vhost_user/message_socket.h"
#include "device/vhost_user/protocol.h"
#include "device/virtio_device.h"

namespace skbtrail::device::vhost_user {

/// Whether a log has a bit for every page of the memory; a sentence if not.
Result<> check_log(const DirtyLog& log, const GuestMemory& memory);

struct SessionOptions {
    /// Offer CONFIG: the front end reads the configuration space from us. QEMU keeps its own and
    /// prints a warning when a network back end offers it.
    bool serve_config = false;
};

class Session {
  public:
    /// Loop and device must outlive the session, which resets the device when it ends.
    Session(EventLoop& loop, VirtioDevice& device, NetworkControl& network, SessionOptions options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// What a reply carries.
    struct Reply {
        std::vector<std::byte> payload;
        UniqueFd fd;
    };
    struct Answer {
        /// Absent: no reply.
        std::optional<Reply> reply;
        /// The connection has to end: a sentence. A reply, if there is one, goes out before.
        std::optional<std::string> end;
    };
    Answer handle(Message message);

    std::uint64_t offered_protocol_features() const noexcept;
    std::uint64_t protocol_features() const noexcept { return protocol_features_; }

  private:
    /// The reply of messages that have one of their own; ignored for the others.
    using Handled = Result<Reply>;
    static Handled silently(Result<> result);
    static Handled answer(std::uint64_t value);

    bool negotiated(std::uint64_t protocol_features) const noexcept {
        return (protocol_features_ & protocol_features) == protocol_features;
    }
    Handled dispatch(Request request, Message& message);
    Handled set_features(std::uint64_t features);
    Handled set_protocol_features(std::uint64_t features);

    // Memory and log.
    Handled set_memory_table(Message& message);
    Handled add_memory_region(Message& message);
    Handled remove_memory_region(const Message& message);
    Handled use_memory(GuestMemory memory);
    Handled set_log_base(Message& message);
    Handled set_log_fd(Message& message);

    // Rings.
    Handled set_ring_addresses(const VringAddress& address);
    Handled get_ring_base(const VringState& state);
    Handled set_ring_enabled(const VringState& state);
    Handled set_ring_file(Request request, Message& message);
    Handled kick_ring(const VringState& state);
    /// Rings that have never had a call descriptor are called through the channel, if that was
    /// negotiated and is there. "Never": QEMU negotiates it without understanding such messages,
    /// and starts rings before it gives their descriptors again.
    void notify_in_band();

    // Chains in flight.
    Handled get_inflight_fd(const Message& message) const;
    Handled set_inflight_fd(Message& message);

    // The device as a whole.
    Handled set_status(std::uint64_t status);
    Handled get_config(const Message& message);
    Handled set_config(const Message& message);
    Handled reset_device();
    Handled send_rarp(std::uint64_t payload);
    Handled set_back_end_channel(Message& message);

    EventLoop& loop_;
    VirtioDevice& device_;
    NetworkControl& network_;
    SessionOptions options_;
    std::uint64_t protocol_features_ = 0;
    bool logging_ = false;  ///< VHOST_F_LOG_ALL was negotiated
    bool packed_ = false;   ///< VIRTIO_F_RING_PACKED was
    std::shared_ptr<const GuestMemory> memory_ = std::make_shared<GuestMemory>();
    std::shared_ptr<DirtyLog> log_;
    std::shared_ptr<const InflightArea> inflight_;
    std::shared_ptr<BackEndChannel> channel_;
    std::bitset<256> had_call_;  ///< rings with a SET_VRING_CALL on this connection
    /// A handler has found that the connection cannot go on: why.
    std::optional<std::string> end_;
};

}  // namespace skbtrail::device::vhost_user
