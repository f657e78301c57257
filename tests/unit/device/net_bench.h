// A network device on a bench: a wire that remembers, a driver on both queues, and the eventfds
// between them, without any protocol.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

#include "device/capture_comment.h"
#include "device/event_loop.h"
#include "device/net/header.h"
#include "device/net/net_device.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/guest_ram.h"

namespace skbtrail::device::test {

/// Keeps what the guest sends; a test sends through deliver().
class BenchWire : public Wire {
  public:
    struct Sent {
        std::vector<std::byte> bytes;
        FrameOffload offload;
    };

    void attach(Deliver deliver) override { deliver_ = std::move(deliver); }
    void transmit(const Frame& frame) override {
        sent.push_back({{frame.bytes.begin(), frame.bytes.end()}, frame.offload});
        if (on_transmit) {
            on_transmit(frame);
        }
    }
    void on_receive_ready() override { ++receive_ready; }
    void on_receive_stopped() override { ++receive_stopped; }
    void on_guest_left() override { ++guest_left; }
    bool takes_offloads() const override { return offloads; }
    WireCounters counters() const override { return {}; }
    std::string describe() const override { return "bench"; }

    bool deliver(const std::vector<std::byte>& bytes, const FrameOffload& offload = {}) {
        return deliver_(Frame{bytes, offload}).taken;
    }

    /// With a hint where it should arrive.
    Delivery offer_to(unsigned pair, const std::vector<std::byte>& bytes) {
        return deliver_(Frame{bytes, {}, pair});
    }
    bool deliver_to(unsigned pair, const std::vector<std::byte>& bytes) {
        return offer_to(pair, bytes).taken;
    }

    std::vector<Sent> sent;
    std::function<void(const Frame&)> on_transmit;
    int receive_ready = 0;
    int receive_stopped = 0;
    int guest_left = 0;
    bool offloads = false;

  private:
    Deliver deliver_;
};

/// An eventfd with one end for the test and one to give away.
class TestEvent {
  public:
    TestEvent() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    UniqueFd share() const { return UniqueFd(::dup(fd_.get())); }
    int fd() const { return fd_.get(); }
    void signal() {
        const std::uint64_t one = 1;
        must_write(&one);
    }
    void saturate() {
        const std::uint64_t most = 0xfffffffffffffffe;
        must_write(&most);
    }
    /// How often it was signalled since the last time.
    std::uint64_t take() {
        std::uint64_t count = 0;
        return ::read(fd_.get(), &count, sizeof count) == sizeof count ? count : 0;
    }

  private:
    void must_write(const std::uint64_t* value) {
        if (::write(fd_.get(), value, sizeof *value) != sizeof *value) {
            throw std::runtime_error("eventfd");
        }
    }
    UniqueFd fd_;
};

/// One virtqueue's eventfds.
struct QueueEvents {
    TestEvent kick;
    TestEvent call;
    TestEvent error;
};

inline constexpr Features bench_features = feature_version_1 | feature_event_idx |
                                           feature_indirect_desc | feature_mrg_rxbuf |
                                           feature_csum | feature_guest_csum;
inline constexpr Features no_merging = bench_features & ~feature_mrg_rxbuf;

/// A header as a driver writes it.
inline NetHeaderBytes net_header(std::uint8_t flags, std::uint8_t gso_type = 0,
                                 std::uint16_t gso_size = 0, std::uint16_t start = 0,
                                 std::uint16_t offset = 0) {
    NetHeaderBytes bytes{};
    bytes[0] = std::byte{flags};
    bytes[1] = std::byte{gso_type};
    std::memcpy(&bytes[4], &gso_size, 2);
    std::memcpy(&bytes[6], &start, 2);
    std::memcpy(&bytes[8], &offset, 2);
    return bytes;
}

class NetBench {
  public:
    static constexpr std::uint32_t ring_size = 16;

    explicit NetBench(Features negotiated = bench_features, bool wire_offloads = false,
                      RingEventLog* ring_events = nullptr,
                      std::chrono::milliseconds transmit_latency = {})
        : events(ring_events) {
        wire.offloads = wire_offloads;
        NetDeviceOptions options;
        options.transmit_latency = transmit_latency;
        options.features = possible_features({.serves_config = true});
        device = std::make_unique<NetDevice>(
            loop, wire, options, events, [this](const TappedFrame& frame) {
                tapped.emplace_back(frame.direction,
                                    std::vector<std::byte>(frame.bytes.begin(), frame.bytes.end()));
                comments.push_back(capture_comment(frame));
            });
        must(device->set_features(negotiated));
        device->set_memory(ram.mapped());
        start(0, receive);
        start(1, transmit);
    }

    void start(unsigned queue, FakeDriver& driver, std::uint16_t base = 0) {
        must(device->set_ring_size(queue, driver.size()));
        must(device->set_ring_addresses(queue, driver.addresses()));
        must(device->set_ring_base(queue, base));
        must(device->set_ring_call(queue, fds(queue).call.share()));
        must(device->set_ring_error(queue, fds(queue).error.share()));
        must(device->set_ring_kick(queue, fds(queue).kick.share()));
        must(device->set_ring_enabled(queue, true));
    }
    QueueEvents& fds(unsigned queue) { return queue == 0 ? receive_fds : transmit_fds; }

    /// Lets the device do what there is to do.
    void settle() {
        while (loop.turn(std::chrono::milliseconds(0))) {
        }
    }
    /// The driver kicks and the device works.
    void kick(unsigned queue) {
        fds(queue).kick.signal();
        settle();
    }
    /// Offers a frame with its header in one buffer each.
    FakeDriver::Offered send(const std::vector<std::byte>& frame,
                             const NetHeaderBytes& header = {}) {
        const auto offered = transmit.chain().readable(header).readable(frame).offer();
        kick(1);
        return offered;
    }
    Virtqueue::State state(unsigned queue) const {
        return std::as_const(*device).queue(queue).virtqueue().state();
    }
    /// The kind of fault that a queue is broken by, or "".
    std::string broken_by(unsigned queue) const {
        const auto& fault = std::as_const(*device).queue(queue).virtqueue().broken_by();
        return fault ? to_string(fault->kind) : "";
    }
    const QueueCounters& counters(unsigned queue) const {
        return std::as_const(*device).queue(queue).counters();
    }

    EventLoop loop;
    BenchWire wire;
    RingEventLog* events;
    GuestRam ram;
    FakeDriver receive{ram, ring_size};
    FakeDriver transmit{ram, ring_size};
    QueueEvents receive_fds;
    QueueEvents transmit_fds;
    std::vector<std::pair<FrameDirection, std::vector<std::byte>>> tapped;
    std::vector<std::string> comments;  ///< what a capture says beside each of them
    std::unique_ptr<NetDevice> device;
};

}  // namespace skbtrail::device::test
