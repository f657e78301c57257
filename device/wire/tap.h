// A wire into the host's network: a tap interface of Linux, as QEMU's own back end has it.
//
// Checksums and segments that the guest leaves undone stay so on their way into the kernel, and
// back. Frames for a guest that has no buffers stay in the kernel's queue, which drops and counts
// what is too much (`ip -s link`).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/event_loop.h"
#include "device/wire/spec.h"
#include "device/wire/tap_queue.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class TapWire final : public Wire {
  public:
    static std::span<const WireOption> options();

    /// Throws std::invalid_argument for an option that makes no sense, std::runtime_error when the
    /// interface cannot be had.
    TapWire(const WireOptions& options, EventLoop& loop);

    void attach(Deliver deliver) override { deliver_ = std::move(deliver); }
    void transmit(const Frame& frame) override;
    void on_receive_ready() override;
    void on_receive_stopped() override;
    void on_guest_left() override;
    bool takes_offloads() const override { return true; }
    bool takes_segments(std::uint8_t gso_type) const override;
    WireNeeds needs() const override { return {.device_settings = true}; }
    WireCounters counters() const override;
    std::string describe() const override { return description_; }

    const std::string& interface() const { return queues_.front()->tap.name(); }

  private:
    /// Frames of one queue in a turn of the loop.
    static constexpr std::size_t turn_budget = 64;

    struct Queue {
        explicit Queue(TapQueue opened) : tap(std::move(opened)) {}

        TapQueue tap;
        /// A frame that was read, and found no buffer.
        std::vector<std::byte> kept;
        std::optional<FrameOffload> kept_offload;
        bool watching = false;
        EventLoop::FdWatch watch;
    };

    void make_interface_up() const;
    void interface_gone(unsigned index);
    /// Frames from a queue of the kernel to the guest, as far as it takes them and the turn's
    /// budget lasts.
    void pass_on(unsigned index);
    /// Where frames of this queue of the kernel are to arrive: with several, where it last saw the
    /// guest send of the same flow.
    unsigned pair_of(unsigned index) const;
    bool deliver(unsigned index, const Frame& frame);
    void watch(Queue& queue, bool on);
    /// What came for a guest that is no more.
    void discard(Queue& queue);

    std::string description_;
    Deliver deliver_;
    bool running_ = false;   ///< the guest is there
    bool new_guest_ = true;  ///< and was not, when frames came that are in the kernel's queue
    WireCounters::Direction from_guest_;
    WireCounters::Direction to_guest_;
    std::vector<std::unique_ptr<Queue>> queues_;
};

}  // namespace skbtrail::device
