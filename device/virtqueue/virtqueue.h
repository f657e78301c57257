// One virtqueue of a device: what the front end has said about it, and its ring while it runs.
//
//              size, addresses, memory and a kick descriptor are there
//   stopped ───────────────────────────────────────────────────────────► running
//      ▲ ▲                        stop()                                   │ │
//      │ └─────────────────────────────────────────────────────────────────┘ │
//      │                stop()                                fault()        │
//      └─────────────────────────────── broken ◄─────────────────────────────┘
//
// Enabled or not is apart from that: a disabled queue runs, without effect on the outside
// (vhost-user, "Ring states").
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "device/event_loop.h"
#include "device/memory/dirty_log.h"
#include "device/memory/guest_memory.h"
#include "device/result.h"
#include "device/unique_fd.h"
#include "device/virtqueue/notifier.h"
#include "device/virtqueue/ring.h"

namespace skbtrail::device {

class Virtqueue {
  public:
    enum class State : std::uint8_t { stopped, running, broken };
    /// Why the device should look at the ring.
    enum class Wake : std::uint8_t {
        kick,   ///< the driver says so
        start,  ///< the ring, or its kick descriptor, is new: kicks may have gone elsewhere
    };
    using WakeCallback = std::function<void(Wake)>;

    /// `name` is for logs: "queue 1 (transmit)". `on_wake` is called while the queue runs.
    Virtqueue(EventLoop& loop, std::string name, WakeCallback on_wake);
    Virtqueue(const Virtqueue&) = delete;
    Virtqueue& operator=(const Virtqueue&) = delete;

    // What the front end configures. Each fails with a sentence when the value cannot be or when
    // the queue is running and must not be changed under its driver.

    Result<> set_size(std::uint32_t size);
    Result<> set_addresses(const RingAddresses& addresses);
    /// The place to go on at; of a split ring refused above 65535.
    Result<> set_base(std::uint32_t base);
    /// Starts the queue if everything else is there, else it starts with the first kick that
    /// finds it complete. A descriptor of -1: there are no kicks, the ring is to be polled; it
    /// starts here, or when it is enabled or gets its memory.
    Result<> set_kick(UniqueFd fd);
    /// A descriptor of -1: the driver polls.
    Result<> set_call(UniqueFd fd);
    Result<> set_error(UniqueFd fd);
    /// Where to note which chains are out, and as which queue; nullptr: nowhere. A ring that starts
    /// takes those again that are noted there.
    Result<> set_inflight(std::shared_ptr<const InflightArea> area, unsigned queue);
    /// Call and error without descriptors.
    void set_in_band(CallTarget call, CallTarget error);

    /// From the next start on the ring is asked about kicks too (Ring::decide_kick()).
    void watch_kicks() noexcept { kicks_watched_ = true; }
    /// For the next start.
    void set_features(RingFeatures features) noexcept { features_ = features; }
    /// A running queue goes on in the new memory; it breaks when its ring is not there.
    void set_memory(std::shared_ptr<const GuestMemory> memory);
    /// Where writes are marked from now on; nullptr: nowhere. The queue may run.
    void set_log(std::shared_ptr<DirtyLog> log);
    /// The log, while there is one.
    DirtyLog* log() const noexcept { return log_.get(); }
    /// Marks the parts of the ring that the device writes to, if they are to be logged: all of
    /// them, because they are few pages. Call it after writing there, before the front end can
    /// take the log for complete.
    void mark_ring();
    void set_enabled(bool enabled);
    /// Whether nobody kicks: the ring is to be looked at all the time while it runs.
    bool polled() const noexcept { return polled_; }

    /// As if the kick descriptor had been written to.
    void kick() { kicked(); }
    /// Ends a running or broken queue, drops the kick descriptor and returns the place of the
    /// next chain that was not processed. The base is set to it, so a start goes on there.
    std::uint32_t stop();
    /// Forgets everything that the front end has said.
    void reset();

    State state() const noexcept { return state_; }
    bool enabled() const noexcept { return enabled_; }
    const std::string& name() const noexcept { return name_; }
    /// The ring, while the queue is running.
    Ring* ring() noexcept { return state_ == State::running && ring_ ? &*ring_ : nullptr; }
    const Ring* ring() const noexcept {
        return state_ == State::running && ring_ ? &*ring_ : nullptr;
    }
    // What the front end has said.
    const std::optional<std::uint32_t>& size() const noexcept { return size_; }
    const std::optional<RingAddresses>& addresses() const noexcept { return addresses_; }
    /// Where the ring goes on when it starts.
    std::uint32_t base() const noexcept { return base_.value_or(Ring::initial_base(features_)); }
    /// The typed reason, while the queue is broken.
    const std::optional<RingFault>& broken_by() const noexcept { return fault_; }

    /// Wakes the driver.
    bool call() { return call_.signal(); }
    /// Breaks the queue: logged, told to the front end through the error descriptor; nothing
    /// touches the ring any more until it is started again.
    void fault(RingFault fault);

  private:
    void try_start();
    void run(Ring&& ring);
    /// The ring, at the place where it goes on.
    tl::expected<Ring, RingFault> open_ring() const;
    void kicked();

    EventLoop& loop_;
    std::string name_;
    WakeCallback on_wake_;

    State state_ = State::stopped;
    bool enabled_ = false;
    std::optional<std::uint32_t> size_;
    std::optional<RingAddresses> addresses_;
    std::optional<std::uint32_t> base_;     ///< none: where such a ring starts
    std::optional<std::uint32_t> left_at_;  ///< the base when this queue was last stopped, running
    RingFeatures features_;
    std::shared_ptr<const GuestMemory> memory_ = std::make_shared<GuestMemory>();
    std::shared_ptr<DirtyLog> log_;
    std::shared_ptr<const InflightArea> inflight_;
    unsigned inflight_queue_ = 0;  ///< its number there
    bool kicks_watched_ = false;
    bool polled_ = false;
    KickSource kick_;
    CallTarget call_;
    CallTarget error_;
    std::optional<Ring> ring_;
    std::optional<RingFault> fault_;
};

}  // namespace skbtrail::device
