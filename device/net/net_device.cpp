#include "device/net/net_device.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace skbtrail::device {

Features possible_features(const NetSurroundings& surroundings) {
    Features features = feature_version_1 | feature_event_idx | feature_indirect_desc |
                        feature_mrg_rxbuf | feature_csum | feature_guest_csum | feature_mtu |
                        feature_guest_announce | feature_log_all | feature_ring_packed |
                        feature_in_order | host_segment_features | guest_segment_features;
    if (surroundings.queue_pairs > 1) {
        features |= feature_mq;
    }
    if (surroundings.serves_config) {
        features |= feature_mac | feature_status | feature_speed_duplex | control_features;
    }
    return features;
}

Features foreign_features(const NetSurroundings& surroundings) {
    // Who keeps the configuration space keeps the control queue (QEMU).
    return surroundings.serves_config ? 0 : control_features;
}

NetDevice::NetDevice(EventLoop& loop, Wire& wire, const NetDeviceOptions& options,
                     RingEventLog* events, const FrameTap& tap)
    : wire_(wire), options_(options) {
    config_.mac = options_.mac;
    config_.mtu = options_.mtu;
    config_.pairs = static_cast<std::uint16_t>(options_.queue_pairs);
    for (unsigned pair = 0; pair < options_.queue_pairs; ++pair) {
        pairs_.push_back(std::make_unique<Pair>(*this, loop, pair, events, tap));
        pairs_.back()->receive.set_always_poll(options_.always_poll);
        pairs_.back()->transmit.set_always_poll(options_.always_poll);
    }
    if ((options_.features & feature_ctrl_vq) != 0) {
        ControlTarget& target = *this;
        control_ =
            std::make_unique<ControlQueue>(loop, 2 * options_.queue_pairs, events, filter_, target);
    }
    forget_driver();
    finish_batches_ = loop.before_wait([this] {
        for (const auto& pair : pairs_) {
            pair->receive.finish_batch();
        }
        tell_of_broken_queues();
        if (log_ && (negotiated_ & feature_log_all) != 0) {
            // What was written outside of batches: when the driver is to kick.
            for (NetQueue* const queue : queues()) {
                queue->virtqueue().mark_ring();
            }
            if (log_->take_modified()) {
                log_notice_.signal();
            }
        }
    });
    wire_.attach([this](const Frame& frame) { return deliver(frame); });
}

NetDevice::Pair::Pair(NetDevice& device, EventLoop& loop, unsigned number, RingEventLog* events,
                      const FrameTap& tap)
    : port(device.wire_, device.steering_, number),
      receive(loop, 2 * number, events, tap, [&device] { device.wire_.on_receive_ready(); }),
      // With one pair there is nothing to steer, and nothing to remember.
      transmit(loop, 2 * number + 1, events,
               device.options_.queue_pairs > 1 ? static_cast<Wire&>(port) : device.wire_, tap,
               device.options_.transmit_latency) {}

NetDevice::~NetDevice() = default;

Result<> NetDevice::set_features(std::uint64_t features) {
    features_accepted_ = false;
    if ((features & ~options_.features) != 0) {
        return failure(fmt::format("the front end accepts features that were not offered: {}",
                                   describe_features(features & ~options_.features)));
    }
    if (((features ^ negotiated_) & ~feature_log_all) != 0 &&
        any_in_state(Virtqueue::State::running)) {
        return failure("features cannot change while a queue runs");
    }
    const bool changed = ((features ^ negotiated_) & ~feature_log_all) != 0;
    negotiated_ = features;
    features_accepted_ = true;
    if (changed) {
        forget_driver();
    }
    for (NetQueue* const queue : queues()) {
        queue->virtqueue().set_features({.indirect = (features & feature_indirect_desc) != 0,
                                         .event_idx = (features & feature_event_idx) != 0,
                                         .packed = (features & feature_ring_packed) != 0,
                                         .in_order = (features & feature_in_order) != 0});
    }
    apply_log();
    if (changed) {
        if (auto applied = apply_inflight(); !applied) {
            return applied;
        }
    }
    spdlog::info("negotiated: {}", describe_features(features));
    return {};
}

void NetDevice::set_memory(std::shared_ptr<const GuestMemory> memory) {
    for (NetQueue* const queue : queues()) {
        queue->settle();
        queue->virtqueue().set_memory(memory);
    }
    memory_ = std::move(memory);
}

void NetDevice::set_log(std::shared_ptr<DirtyLog> log) {
    log_ = std::move(log);
    apply_log();
}

void NetDevice::set_log_notice(CallTarget target) {
    log_notice_ = std::move(target);
}

Result<> NetDevice::set_inflight(std::shared_ptr<const InflightArea> area) {
    if (any_in_state(Virtqueue::State::running)) {
        return failure("where chains in flight are noted cannot change while a queue runs");
    }
    inflight_ = std::move(area);
    return apply_inflight();
}

Result<> NetDevice::apply_inflight() {
    const auto all = queues();
    for (unsigned index = 0; index < all.size(); ++index) {
        const unsigned number = all[index] == control_.get() ? control_number() : index;
        const bool noted = inflight_ && number < inflight_->queues();
        if (auto set = all[index]->virtqueue().set_inflight(noted ? inflight_ : nullptr, number);
            !set) {
            return set;
        }
    }
    return {};
}

void NetDevice::forget_inflight() const {
    if (inflight_) {
        inflight_->forget((negotiated_ & feature_ring_packed) != 0);
    }
}

void NetDevice::apply_log() {
    const bool wanted = (negotiated_ & feature_log_all) != 0;
    for (NetQueue* const queue : queues()) {
        queue->finish_batch();
        queue->virtqueue().set_log(wanted ? log_ : nullptr);
    }
}

Result<> NetDevice::set_ring_size(unsigned index, std::uint32_t size) {
    return find_queue(index).and_then(
        [&](NetQueue* queue) { return queue->virtqueue().set_size(size); });
}

Result<> NetDevice::set_ring_addresses(unsigned index, const RingAddresses& addresses) {
    return find_queue(index).and_then(
        [&](NetQueue* queue) { return queue->virtqueue().set_addresses(addresses); });
}

Result<> NetDevice::set_ring_base(unsigned index, std::uint32_t next_available) {
    return find_queue(index).and_then(
        [&](NetQueue* queue) { return queue->virtqueue().set_base(next_available); });
}

Result<std::uint32_t> NetDevice::stop_ring(unsigned index) {
    return find_queue(index).map([&](NetQueue* queue) -> std::uint32_t {
        retire(*queue);
        return queue->virtqueue().stop();
    });
}

Result<> NetDevice::set_ring_kick(unsigned index, UniqueFd fd) {
    return find_queue(index).and_then(
        [&](NetQueue* queue) { return queue->virtqueue().set_kick(std::move(fd)); });
}

Result<> NetDevice::set_ring_call(unsigned index, UniqueFd fd) {
    return find_queue(index).and_then(
        [&](NetQueue* queue) { return queue->virtqueue().set_call(std::move(fd)); });
}

Result<> NetDevice::set_ring_error(unsigned index, UniqueFd fd) {
    return find_queue(index).and_then(
        [&](NetQueue* queue) { return queue->virtqueue().set_error(std::move(fd)); });
}

Result<> NetDevice::set_ring_in_band(unsigned index, CallTarget call, CallTarget error) {
    return find_queue(index).map([&](NetQueue* queue) {
        queue->virtqueue().set_in_band(std::move(call), std::move(error));
    });
}

Result<> NetDevice::kick_ring(unsigned index) {
    return find_queue(index).map([](NetQueue* queue) { queue->virtqueue().kick(); });
}

Result<> NetDevice::set_ring_enabled(unsigned index, bool enabled) {
    return find_queue(index).map([&](NetQueue* queue) {
        queue->virtqueue().set_enabled(enabled);
        for (const auto& pair : pairs_) {
            if (&pair->receive == queue) {
                pair->receive.announce_buffers();
            }
        }
    });
}

void NetDevice::disable_queues() {
    for (NetQueue* const queue : queues()) {
        retire(*queue);
        queue->virtqueue().stop();
        queue->virtqueue().set_enabled(false);
    }
}

void NetDevice::reset() {
    for (NetQueue* const queue : queues()) {
        retire(*queue);
        queue->virtqueue().reset();
    }
    negotiated_ = 0;
    config_.mtu = options_.mtu;
    forget_driver_config();
    forget_driver();
    log_ = nullptr;
    log_notice_ = CallTarget();
    inflight_ = nullptr;
    features_accepted_ = false;
    memory_ = std::make_shared<GuestMemory>();
    status_ = 0;
    wire_.on_guest_left();
}

void NetDevice::set_gate(QueueGate* gate) {
    // Queues of frames alone: a control queue is nobody's to hold.
    for (const auto& pair : pairs_) {
        pair->receive.set_gate(gate);
        pair->transmit.set_gate(gate);
    }
}

NetQueue& NetDevice::queue(unsigned index) {
    return *queues().at(index);
}

const NetQueue& NetDevice::queue(unsigned index) const {
    return *queues().at(index);
}

std::vector<std::string> NetDevice::describe_counters() const {
    std::vector<std::string> lines;
    for (const NetQueue* const queue : queues()) {
        const QueueCounters& counters = queue->counters();
        lines.push_back(
            fmt::format("{}: {} frames, {} bytes; dropped {} (not ready {}, link down {}, size {}, "
                        "offload {}); "
                        "refused {}; kicks {}, calls {}, suppressed {}",
                        queue->virtqueue().name(), counters.frames, counters.bytes,
                        counters.dropped_not_ready + counters.dropped_link_down +
                            counters.dropped_size + counters.dropped_offload,
                        counters.dropped_not_ready, counters.dropped_link_down,
                        counters.dropped_size, counters.dropped_offload, counters.refused,
                        counters.kicks, counters.calls, counters.calls_suppressed));
    }
    if (control_) {
        lines.push_back(fmt::format(
            "{}: {} commands, {} refused; {} frames not wanted by the driver",
            control_->virtqueue().name(), control_->commands(), control_->refused(), filtered_));
    }
    return lines;
}

Result<NetQueue*> NetDevice::find_queue(unsigned index) {
    if (index >= queue_count()) {
        return failure(
            fmt::format("there is no queue {}: this device has {}", index, queue_count()));
    }
    return control_ && index == control_number() ? control_.get() : queues()[index];
}

unsigned NetDevice::control_number() const {
    // A driver that does not know several pairs has its control queue behind the first (5.1.2).
    constexpr Features both = feature_ctrl_vq | feature_mq;
    return (negotiated_ & both) == feature_ctrl_vq ? 2 : 2 * options_.queue_pairs;
}

std::vector<NetQueue*> NetDevice::queues() const {
    std::vector<NetQueue*> all;
    for (const auto& pair : pairs_) {
        all.push_back(&pair->receive);
        all.push_back(&pair->transmit);
    }
    if (control_) {
        all.push_back(control_.get());
    }
    return all;
}

void NetDevice::forget_driver() {
    // With a control queue of ours the driver starts with one pair and says when it uses more
    // (5.1.6.5.6.1); else the front end enables their rings.
    constexpr Features commanded = feature_ctrl_vq | feature_mq;
    active_pairs_ = (negotiated_ & commanded) == commanded ? 1 : options_.queue_pairs;
    filter_.reset(config_.mac, (negotiated_ & feature_ctrl_vlan) != 0);
    filtering_ = (negotiated_ & (feature_ctrl_rx | feature_ctrl_vlan)) != 0;
    steering_.forget();
    for (NetQueue* const queue : queues()) {
        queue->set_negotiated(negotiated_);
    }
    apply_mtu();
}

Result<> NetDevice::use_pairs(unsigned pairs) {
    if (pairs < 1 || pairs > options_.queue_pairs) {
        return failure(
            fmt::format("of {} pairs: this device has 1 to {}", pairs, options_.queue_pairs));
    }
    active_pairs_ = pairs;
    return {};
}

Result<> NetDevice::set_guest_offloads(Features offloads) {
    constexpr Features all = feature_guest_csum | guest_segment_features;
    if ((offloads & ~(negotiated_ & all)) != 0) {
        return failure(fmt::format("of what was not negotiated: {}",
                                   describe_features(offloads & ~(negotiated_ & all))));
    }
    const auto met = apply_feature_changes(offloads, {}, 0);
    if (met && *met != offloads) {
        return failure(
            fmt::format("of {} without what they need", describe_features(offloads & ~*met)));
    }
    for (const auto& pair : pairs_) {
        pair->receive.set_negotiated((negotiated_ & ~all) | offloads);
    }
    return {};
}

bool NetDevice::any_in_state(Virtqueue::State state) const {
    const auto in_state = [state](const NetQueue& queue) {
        return queue.virtqueue().state() == state;
    };
    return (control_ && in_state(*control_)) ||
           std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
               return in_state(pair->receive) || in_state(pair->transmit);
           });
}

unsigned NetDevice::receiving_pairs() const {
    const auto last = pairs_.begin() + active_pairs_;
    const auto first_idle = std::find_if(pairs_.begin(), last, [](const auto& pair) {
        const Virtqueue& queue = std::as_const(pair->receive).virtqueue();
        return !queue.enabled() || queue.state() != Virtqueue::State::running;
    });
    return std::max(1U, static_cast<unsigned>(first_idle - pairs_.begin()));
}

void NetDevice::retire(NetQueue& queue) {
    // What was completed belongs to the driver, stopped or not.
    queue.retire();
    for (const auto& pair : pairs_) {
        if (&pair->receive == &queue) {
            pair->receive.forget_segments();
        }
    }
}

unsigned NetDevice::choose_pair(const Frame& frame) const {
    if (pairs_.size() == 1) {
        return 0;
    }
    const unsigned receiving = receiving_pairs();
    // A wire with queues of its own keeps flows apart like we do, and knows more about them.
    return frame.queue_pair < receiving ? frame.queue_pair
                                        : steering_.choose(frame.bytes, receiving);
}

Delivery NetDevice::deliver(const Frame& frame) {
    if (filtering_ && frame.bytes.size() >= min_frame_bytes && !filter_.accepts(frame.bytes)) {
        ++filtered_;
        return true;
    }
    const unsigned pair = choose_pair(frame);
    const auto outcome = pairs_[pair]->receive.deliver(frame);
    if (outcome == ReceiveQueue::Outcome::not_ready) {
        wire_.on_receive_stopped();
    }
    return {outcome != ReceiveQueue::Outcome::no_buffers, pair};
}

}  // namespace skbtrail::device
