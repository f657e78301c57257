#include "device/virtqueue/virtqueue.h"

#include <bit>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace skbtrail::device {

Virtqueue::Virtqueue(EventLoop& loop, std::string name, WakeCallback on_wake)
    : loop_(loop), name_(std::move(name)), on_wake_(std::move(on_wake)) {}

Result<> Virtqueue::set_size(std::uint32_t size) {
    if (state_ == State::running) {
        return failure(name_ + ": its size cannot change while it runs");
    }
    if (size == 0 || size > max_ring_size || (!features_.packed && !std::has_single_bit(size))) {
        return failure(fmt::format("{}: {} entries: must be {} up to {}", name_, size,
                                   features_.packed ? "1" : "a power of two", max_ring_size));
    }
    size_ = size;
    return {};
}

Result<> Virtqueue::set_addresses(const RingAddresses& addresses) {
    if (addresses.used_log && log_ && size_ && !features_.packed &&
        !log_->covers(*addresses.used_log, RingParts::used_bytes(*size_))) {
        return failure(
            fmt::format("{}: the dirty log of {:#x} bytes has no room for its used ring "
                        "at {:#x}",
                        name_, log_->size(), addresses.used_log->value));
    }
    if (state_ == State::running) {
        // Front ends repeat the addresses to switch dirty logging.
        RingAddresses same = addresses;
        same.used_log = addresses_ ? addresses_->used_log : std::nullopt;
        if (addresses_ != same) {
            return failure(name_ + ": its addresses cannot change while it runs");
        }
        addresses_ = addresses;
        return {};
    }
    const auto previous = std::exchange(addresses_, addresses);
    // Opened for the sake of the answer: whether this ring could run.
    if (size_ && !memory_->regions().empty()) {
        const auto ring =
            Ring::open(memory_, addresses, *size_, features_, Ring::initial_base(features_));
        if (!ring) {
            addresses_ = previous;
            return failure(fmt::format("{}: {}", name_, ring.error().message));
        }
    }
    return {};
}

Result<> Virtqueue::set_base(std::uint32_t base) {
    if (state_ == State::running) {
        return failure(name_ + ": its index cannot change while it runs");
    }
    if (!features_.packed && base > std::numeric_limits<std::uint16_t>::max()) {
        return failure(
            fmt::format("{}: {} is no index of a split ring, which has 16 bits", name_, base));
    }
    base_ = base;
    return {};
}

Result<> Virtqueue::set_kick(UniqueFd fd) {
    if (fd) {
        auto kick = KickSource::watch(std::move(fd), loop_, [this] { kicked(); });
        if (!kick) {
            return failure(fmt::format("{}: kick: {}", name_, kick.error().message));
        }
        kick_ = std::move(*kick);
        polled_ = false;
    } else {
        kick_ = KickSource();
        polled_ = true;
    }
    if (state_ == State::stopped) {
        try_start();
    } else if (state_ == State::running) {
        on_wake_(Wake::start);  // a kick through the descriptor before this one may be lost
    }
    return {};
}

Result<> Virtqueue::set_call(UniqueFd fd) {
    if (!fd) {
        call_ = CallTarget();
        return {};
    }
    auto target = CallTarget::adopt(std::move(fd));
    if (!target) {
        return failure(fmt::format("{}: call: {}", name_, target.error().message));
    }
    call_ = std::move(*target);
    // The driver may have been promised a call through the descriptor before this one; one too
    // many is harmless.
    if (state_ == State::running) {
        call_.signal();
    }
    return {};
}

Result<> Virtqueue::set_error(UniqueFd fd) {
    if (!fd) {
        error_ = CallTarget();
        return {};
    }
    auto target = CallTarget::adopt(std::move(fd));
    if (!target) {
        return failure(fmt::format("{}: error: {}", name_, target.error().message));
    }
    error_ = std::move(*target);
    return {};
}

void Virtqueue::set_memory(std::shared_ptr<const GuestMemory> memory) {
    memory_ = std::move(memory);
    if (polled_ && state_ == State::stopped) {
        try_start();
        return;
    }
    if (state_ != State::running || !ring_ || !size_ || !addresses_) {
        return;
    }
    auto moved = Ring::open(memory_, *addresses_, *size_, features_, ring_->base());
    if (!moved) {
        fault(std::move(moved.error()));
        return;
    }
    moved->follow(*ring_);
    run(std::move(*moved));
}

void Virtqueue::run(Ring&& ring) {
    ring_.emplace(std::move(ring));
    if (kicks_watched_) {
        ring_->watch_kicks();
    }
}

Result<> Virtqueue::set_inflight(std::shared_ptr<const InflightArea> area, unsigned queue) {
    if (state_ == State::running) {
        return failure(name_ + ": where its chains are noted cannot change while it runs");
    }
    inflight_ = std::move(area);
    inflight_queue_ = queue;
    return {};
}

void Virtqueue::set_in_band(CallTarget call, CallTarget error) {
    call_ = std::move(call);
    error_ = std::move(error);
    if (state_ == State::running) {
        call_.signal();  // as in set_call()
    }
}

void Virtqueue::set_log(std::shared_ptr<DirtyLog> log) {
    log_ = std::move(log);
}

void Virtqueue::mark_ring() {
    if (!log_ || !size_ || !addresses_ || !addresses_->used_log) {
        return;
    }
    if (!features_.packed) {
        log_->mark(*addresses_->used_log, RingParts::used_bytes(*size_));
        return;
    }
    // What SET_VRING_ADDR calls the used ring is the device's event suppression structure here
    // (virtio 1.3, 2.8.14); used descriptors go into the ring itself.
    log_->mark(*addresses_->used_log, sizeof(std::uint32_t));
    if (const auto ring = memory_->guest_address(addresses_->descriptors)) {
        log_->mark(*ring, std::uint64_t{sizeof(RingDescriptor)} * *size_);
    }
}

void Virtqueue::set_enabled(bool enabled) {
    enabled_ = enabled;
    if (enabled && polled_ && state_ == State::stopped) {
        try_start();
    }
}

std::uint32_t Virtqueue::stop() {
    if (ring_) {
        mark_ring();
    }
    if (ring_) {
        base_ = ring_->base();
    }
    left_at_.reset();
    if (state_ == State::running) {
        left_at_ = base();
        spdlog::debug("{}: stopped at index {:#x}", name_, base());
    }
    ring_.reset();
    fault_.reset();
    kick_ = KickSource();
    polled_ = false;
    state_ = State::stopped;
    return base();
}

void Virtqueue::reset() {
    stop();
    enabled_ = false;
    size_.reset();
    addresses_.reset();
    base_.reset();
    left_at_.reset();
    features_ = {};
    memory_ = std::make_shared<GuestMemory>();
    log_ = nullptr;
    inflight_ = nullptr;
    call_ = CallTarget();
    error_ = CallTarget();
}

void Virtqueue::fault(RingFault fault) {
    spdlog::error("{} stopped, {}: {}", name_, to_string(fault.kind), fault.message);
    state_ = State::broken;
    fault_ = std::move(fault);
    // Kept watched, a driver that goes on kicking would only keep us awake.
    kick_ = KickSource();
    polled_ = false;
    error_.signal();
}

tl::expected<Ring, RingFault> Virtqueue::open_ring() const {
    const auto open = [&](std::uint32_t base) {
        return Ring::open(memory_, *addresses_, *size_, features_, base);
    };
    auto ring = open(base());
    if (!ring || (inflight_ && inflight_->in_use(inflight_queue_, features_.packed))) {
        return ring;  // what is noted knows better than any base
    }
    // Of a packed ring the base says both places.
    if (!ring->packed() && ring->next_used() != base() && left_at_ != base()) {
        // A back end that completes in order, as network devices do, stands where its used index
        // does. A front end whose last back end died knows less than the ring does, and chains
        // between the two would never be returned. Where this queue stood itself when it was
        // stopped needs no guess.
        spdlog::warn(
            "{}: the front end says to go on at index {}, the ring stands at {}: "
            "going on at {}",
            name_, base(), ring->next_used(), ring->next_used());
        ring = open(ring->next_used());
    }
    return ring;
}

void Virtqueue::try_start() {
    if (!size_ || !addresses_ || memory_->regions().empty()) {
        return;
    }
    auto ring = open_ring();
    if (!ring) {
        fault(std::move(ring.error()));
        return;
    }
    run(std::move(*ring));
    state_ = State::running;
    spdlog::debug("{}: started, {} entries, at index {:#x}{}", name_, *size_, ring_->base(),
                  enabled_ ? "" : ", disabled");
    if (inflight_) {
        const auto left = ring_->track(inflight_, inflight_queue_);
        if (!left) {
            fault(left.error());
            return;
        }
        if (*left > 0) {
            spdlog::info("{}: {} chains were in flight and are taken again", name_, *left);
        }
    }
    // Chains may be waiting that the driver will not kick for again: it did so before the front
    // end came to us.
    on_wake_(Wake::start);
}

void Virtqueue::kicked() {
    if (state_ == State::stopped) {
        try_start();
        return;
    }
    if (state_ == State::running) {
        on_wake_(Wake::kick);
    }
}

}  // namespace skbtrail::device
