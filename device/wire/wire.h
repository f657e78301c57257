// What the NIC is plugged into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace skbtrail::device {

// gso_type (virtio 1.3, 5.1.6): what a frame is to be cut into.
inline constexpr std::uint8_t gso_none = 0;
inline constexpr std::uint8_t gso_tcp4 = 1;
inline constexpr std::uint8_t gso_udp = 3;  ///< IP fragments of one datagram
inline constexpr std::uint8_t gso_tcp6 = 4;
inline constexpr std::uint8_t gso_udp_segments = 5;  ///< datagrams
inline constexpr std::uint8_t gso_ecn = 0x80;        ///< a flag beside the TCP types: CWR is set

/// Says what the checksum and segmentation fields of a frame mean: the fields of virtio_net_hdr
/// (virtio 1.3, 5.1.6) that travel with a frame, in host order, without ring layout.
struct FrameOffload {
    bool needs_checksum = false;  ///< checksum at start + offset is partial
    bool data_valid = false;      ///< checksums were verified
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
    std::uint8_t gso_type = gso_none;
    std::uint16_t gso_size = 0;
    std::uint16_t header_length = 0;
};

/// One Ethernet frame, without FCS.
struct Frame {
    /// No queue pair in particular: of a frame for the guest, the device chooses.
    static constexpr unsigned any_pair = ~0u;

    std::span<const std::byte> bytes;
    FrameOffload offload;
    /// The queue pair that the guest sent it on, or the one that it should arrive on: a hint.
    unsigned queue_pair = any_pair;
    /// The same bytes, where who made the frame lets the one who takes it change them during the
    /// call, which spares a copy. Else empty.
    std::span<std::byte> scratch = {};
};

/// What went over a wire since it was made. No frame is lost without being counted here.
struct WireCounters {
    struct Direction {
        std::uint64_t frames = 0;   ///< taken (from the guest) or delivered (to the guest)
        std::uint64_t bytes = 0;    ///< of those frames
        std::uint64_t dropped = 0;  ///< frames that went no further
    };
    Direction from_guest;
    Direction to_guest;
    std::uint64_t waiting = 0;  ///< frames held until the guest gives receive buffers, or by faults
};

/// What became of a frame that a wire handed to the NIC.
struct Delivery {
    /// Where there is one queue pair, or where which one does not matter.
    Delivery(bool was_taken, unsigned pair = 0)  // NOLINT(google-explicit-constructor)
        : taken(was_taken), starved_pair(pair) {}
    explicit operator bool() const noexcept { return taken; }

    bool taken;             ///< false: it has no receive buffer for it, and nothing was done
    unsigned starved_pair;  ///< if not taken: the pair that it was for
};

/// What a wire needs of the system while it runs, besides the descriptors that it has open: a NIC
/// that confines itself allows no more than that.
struct WireNeeds {
    /// Connections for the guest: sockets of the Internet, and reading files (the resolver's
    /// configuration, which may change).
    bool internet = false;
    /// Settings of a device that is open: a tap's offloads.
    bool device_settings = false;
};

/// A wire. Called from one thread, the NIC's event loop. A wire never blocks; what it cannot take
/// it drops, and counts.
class Wire {
  public:
    /// Hands a frame to the NIC, towards the guest. When it is not taken, the wire may keep it and
    /// try again after on_receive_ready(); until then no frame for that queue pair is taken, so
    /// that none overtakes it there.
    using Deliver = std::function<Delivery(const Frame&)>;

    virtual ~Wire() = default;

    /// Called once, before any other: where to deliver to.
    virtual void attach(Deliver deliver) = 0;
    /// A frame that the guest sent. The bytes are the wire's own only during the call. Unless
    /// takes_offloads(), its checksums are complete; it is one segment unless takes_segments().
    virtual void transmit(const Frame& frame) = 0;
    /// The guest has given receive buffers: after its driver has started, and again after
    /// Deliver did not take a frame (to the pair that this was for) or on_receive_stopped() was
    /// called.
    virtual void on_receive_ready() {}
    /// The guest takes no frames now (its driver has not started, or has stopped): what is
    /// delivered is dropped until on_receive_ready(). Called from inside Deliver.
    virtual void on_receive_stopped() {}
    /// The front end has left: frames that wait for receive buffers are nobody's now.
    virtual void on_guest_left() {}
    /// Whether transmit() understands partial checksums, FrameOffload::needs_checksum.
    virtual bool takes_offloads() const { return false; }
    /// Whether transmit() takes frames that are to be cut, of this type (gso_ecn included).
    virtual bool takes_segments(std::uint8_t /* gso_type */) const { return takes_offloads(); }
    /// Those of the wires behind it included.
    virtual WireNeeds needs() const { return {}; }
    virtual WireCounters counters() const = 0;
    /// Of a wire that was told to judge what it saw: the sentence that says what it missed; empty
    /// when it missed nothing, or does not judge.
    virtual std::string complaint() const { return {}; }
    /// For a person and the log: "nat 10.0.2.0/24".
    virtual std::string describe() const = 0;
};

}  // namespace skbtrail::device
