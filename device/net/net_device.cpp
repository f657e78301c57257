#include "device/net/net_device.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "device/net/rarp.h"

namespace skbtrail::device {

namespace {

/// struct virtio_net_config (5.1.4), as far as the fields of features that we know.
struct ConfigSpace {
    std::array<std::byte, 6> mac;
    std::uint16_t status;
    std::uint16_t max_queue_pairs;
    std::uint16_t mtu;
    std::array<std::byte, 12> rest;
};
static_assert(sizeof(ConfigSpace) == 24);

constexpr std::uint16_t status_link_up = 1;  // VIRTIO_NET_S_LINK_UP

constexpr std::uint64_t smallest_mtu = 68;  // RFC 791, and what drivers check
constexpr std::uint64_t largest_mtu = 65535;

}  // namespace

Features possible_features(const NetSurroundings& surroundings) {
    Features features = feature_version_1 | feature_event_idx | feature_indirect_desc |
                        feature_mrg_rxbuf | feature_csum | feature_guest_csum | feature_mtu;
    if (surroundings.wire_takes_offloads) {
        features |= feature_host_tso4 | feature_host_tso6 | feature_guest_tso4 | feature_guest_tso6;
    }
    if (surroundings.serves_config) {
        features |= feature_mac | feature_status;
    }
    return features;
}

NetDevice::NetDevice(EventLoop& loop, Wire& wire, const NetDeviceOptions& options,
                     RingEventLog* events, const FrameTap& tap)
    : wire_(wire), options_(options) {
    for (unsigned pair = 0; pair < options_.queue_pairs; ++pair) {
        pairs_.push_back(std::make_unique<Pair>(
            loop, 2 * pair, events, tap, [this] { wire_.on_receive_ready(); }, wire_,
            options_.transmit_latency));
    }
    finish_batches_ = loop.before_wait([this] {
        for (const auto& pair : pairs_) {
            pair->receive.finish_batch();
        }
    });
    wire_.attach([this](const Frame& frame) { return deliver(frame); });
}

NetDevice::Pair::Pair(EventLoop& loop, unsigned first, RingEventLog* events, const FrameTap& tap,
                      std::function<void()> on_buffers, Wire& wire,
                      std::chrono::milliseconds latency)
    : receive(loop, first, events, tap, std::move(on_buffers)),
      transmit(loop, first + 1, events, wire, tap, latency) {}

NetDevice::~NetDevice() = default;

Result<> NetDevice::set_features(std::uint64_t features) {
    if ((features & ~options_.features) != 0) {
        return failure(fmt::format("the front end accepts features that were not offered: {}",
                                   describe_features(features & ~options_.features)));
    }
    if (features != negotiated_ && any_running()) {
        return failure("features cannot change while a queue runs");
    }
    negotiated_ = features;
    for (NetQueue* const queue : queues()) {
        queue->set_negotiated(features);
        queue->virtqueue().set_features({.indirect = (features & feature_indirect_desc) != 0,
                                         .event_idx = (features & feature_event_idx) != 0});
    }
    spdlog::info("negotiated: {}", describe_features(features));
    return {};
}

void NetDevice::set_memory(std::shared_ptr<const GuestMemory> memory) {
    for (NetQueue* const queue : queues()) {
        queue->finish_batch();
        queue->virtqueue().set_memory(memory);
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
        settle(*queue);
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

void NetDevice::set_status(std::uint8_t status) {
    status_ = status;
    if (status == 0) {
        for (NetQueue* const queue : queues()) {
            settle(*queue);
            queue->virtqueue().stop();
        }
    }
}

Result<> NetDevice::read_config(std::uint32_t offset, std::span<std::byte> to) const {
    ConfigSpace config{};
    config.mac = options_.mac;
    config.status = status_link_up;
    config.max_queue_pairs = static_cast<std::uint16_t>(options_.queue_pairs);
    config.mtu = mtu_;
    if (offset > sizeof config || to.size() > sizeof config - offset) {
        return failure(fmt::format("the configuration space has {} bytes, not {} at {}",
                                   sizeof config, to.size(), offset));
    }
    std::memcpy(to.data(), reinterpret_cast<const std::byte*>(&config) + offset, to.size());
    return {};
}

Result<> NetDevice::write_config(std::uint32_t offset, std::span<const std::byte> from,
                                 bool migration) {
    if (!migration) {
        return failure("every field of the configuration space is read-only");
    }
    ConfigSpace config{};
    if (offset > sizeof config || from.size() > sizeof config - offset) {
        return failure(fmt::format("the configuration space has {} bytes, not {} at {}",
                                   sizeof config, from.size(), offset));
    }
    if (auto read = read_config(0, std::as_writable_bytes(std::span(&config, 1))); !read) {
        return read;
    }
    std::memcpy(reinterpret_cast<std::byte*>(&config) + offset, from.data(), from.size());
    options_.mac = config.mac;
    mtu_ = config.mtu;
    return {};
}

void NetDevice::disable_queues() {
    for (NetQueue* const queue : queues()) {
        settle(*queue);
        queue->virtqueue().stop();
        queue->virtqueue().set_enabled(false);
    }
}

void NetDevice::reset() {
    for (NetQueue* const queue : queues()) {
        settle(*queue);
        queue->virtqueue().reset();
        queue->set_negotiated(0);
    }
    negotiated_ = 0;
    status_ = 0;
    wire_.on_guest_left();
}

Result<> NetDevice::announce(std::span<const std::byte, 6> mac) {
    wire_.transmit(Frame{make_rarp(mac), {}});
    return {};
}

Result<> NetDevice::set_mtu(std::uint64_t mtu) {
    if (mtu < smallest_mtu || mtu > largest_mtu) {
        return failure(
            fmt::format("an MTU of {}: must be {} to {}", mtu, smallest_mtu, largest_mtu));
    }
    mtu_ = static_cast<std::uint16_t>(mtu);
    return {};
}

const NetQueue& NetDevice::queue(unsigned index) const {
    return *queues().at(index);
}

std::vector<std::string> NetDevice::describe_counters() const {
    std::vector<std::string> lines;
    for (const NetQueue* const queue : queues()) {
        const QueueCounters& counters = queue->counters();
        lines.push_back(fmt::format(
            "{}: {} frames, {} bytes; dropped {} (not ready {}, size {}, offload {}); refused {}; "
            "kicks {}, calls {}, suppressed {}",
            queue->virtqueue().name(), counters.frames, counters.bytes,
            counters.dropped_not_ready + counters.dropped_size + counters.dropped_offload,
            counters.dropped_not_ready, counters.dropped_size, counters.dropped_offload,
            counters.refused, counters.kicks, counters.calls, counters.calls_suppressed));
    }
    return lines;
}

Result<NetQueue*> NetDevice::find_queue(unsigned index) {
    if (index >= queue_count()) {
        return failure(
            fmt::format("there is no queue {}: this device has {}", index, queue_count()));
    }
    return queues()[index];
}

std::vector<NetQueue*> NetDevice::queues() const {
    std::vector<NetQueue*> all;
    for (const auto& pair : pairs_) {
        all.push_back(&pair->receive);
        all.push_back(&pair->transmit);
    }
    return all;
}

bool NetDevice::any_running() const {
    const auto all = queues();
    return std::any_of(all.begin(), all.end(), [](const NetQueue* queue) {
        return queue->virtqueue().state() == Virtqueue::State::running;
    });
}

void NetDevice::settle(NetQueue& queue) {
    // What was completed belongs to the driver, stopped or not.
    queue.finish_batch();
}

bool NetDevice::deliver(const Frame& frame) {
    const auto outcome = pairs_.front()->receive.deliver(frame);
    if (outcome == ReceiveQueue::Outcome::not_ready) {
        wire_.on_receive_stopped();
    }
    return outcome != ReceiveQueue::Outcome::no_buffers;
}

}  // namespace skbtrail::device
