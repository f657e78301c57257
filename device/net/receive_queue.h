// Towards the guest: frames from the wire into the buffers that the driver has given.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "device/net/net_queue.h"
#include "device/net/segment.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class ReceiveQueue final : public NetQueue {
  public:
    enum class Outcome : std::uint8_t {
        delivered,   ///< in the guest's memory; the driver sees it after finish_batch()
        no_buffers,  ///< nothing was touched; on_buffers is called when the driver gives some
        not_ready,   ///< dropped and counted, as all will be until on_buffers is called
        dropped,     ///< counted
    };

    /// `on_buffers` is called from the loop when the driver has given buffers: after the queue
    /// has started or was enabled, and after a frame was refused.
    ReceiveQueue(EventLoop& loop, unsigned index, RingEventLog* events, FrameTap tap,
                 std::function<void()> on_buffers);

    /// Writes one frame with its header, over several chains if MRG_RXBUF was negotiated and one
    /// is too small (virtio 1.3, 5.1.6.3 and 5.1.6.4). A frame that is to be cut, for a driver
    /// that takes none such, is delivered when its first segment is: the others follow, before any
    /// other frame.
    Outcome deliver(const Frame& frame);

    /// No frame that is longer than this, behind its Ethernet header, reaches the driver whole
    /// (virtio 1.3, 5.1.4.1); none: any may that the device moves.
    void set_mtu(std::optional<std::uint16_t> mtu) noexcept;

    /// The queue was enabled: frames that came before found it not ready.
    void announce_buffers();

    /// The queue stops: segments that wait for buffers of its ring are dropped, and counted.
    void forget_segments() noexcept;

  private:
    /// Whether this driver takes a frame that is to be cut.
    bool takes_segments(const Frame& frame) const;
    /// Whether the frame is longer than it may be.
    bool oversized(const Frame& frame) const noexcept;
    /// False while segments are left that find no buffers.
    bool flush_segments();
    Outcome deliver_whole(const Frame& frame);
    /// The frame as this driver can take it: checksums completed where it did not negotiate to do
    /// without. None when it cannot be made so.
    std::optional<Frame> adapt(const Frame& frame);
    Outcome write(const Frame& frame);
    /// Writes a frame that says nothing and fits into the first piece of a chain taken ahead.
    /// False: it is another, or there is none, and nothing was done.
    bool write_plain(const Frame& frame);
    void note_delivered(const Frame& frame);
    /// Takes chains into taken_ until a header and a frame fit; else says what became of the
    /// frame, and nothing is taken.
    std::optional<Outcome> take_room(std::size_t header_bytes, std::size_t frame_bytes);
    /// The wire may offer the frame again when it is told.
    Outcome refuse();
    /// Takes chains into ahead_, which is empty. False when there are none; the queue will notice
    /// when there are.
    tl::expected<bool, RingFault> take_ahead(Ring& ring);
    /// The first of ahead_ is no longer there.
    void pass_ahead() noexcept {
        if (++ahead_begin_ + Chain::prefetch_distance <= ahead_end_) {
            ahead_[ahead_begin_ + Chain::prefetch_distance - 1].prefetch();
        }
    }
    void give_back() noexcept override;
    void put_all_back(Ring& ring);
    /// Looks for buffers that the wire waits for, without a kick.
    bool look();
    void woken();
    Outcome break_queue(RingFault fault);

    /// A batch is shown to the driver when the loop is done with what was ready, or at this size.
    static constexpr std::size_t batch_limit = 64;

    FrameTap tap_;
    std::function<void()> on_buffers_;
    /// A frame without VLAN tags that is to stay whole has so many bytes at most.
    std::size_t longest_ = max_frame_bytes;
    bool awaited_ = true;       ///< the wire waits to hear of buffers
    std::vector<Chain> taken_;  ///< for one deliver(); kept for its capacity
    /// Chains for the next frames of this batch: taken together, given back if not needed.
    std::array<Chain, max_burst> ahead_;
    std::size_t ahead_begin_ = 0;
    std::size_t ahead_end_ = 0;
    std::size_t next_ahead_ = 1;
    Segmenter segments_;                ///< of the frame that was delivered last
    std::vector<std::byte> completed_;  ///< a frame whose checksum adapt() completed
};

}  // namespace skbtrail::device
