// A network device on a bench, its rings packed, of a size that is no power of two.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "tests/unit/device/fake_packed_driver.h"
#include "tests/unit/device/net_bench.h"

namespace skbtrail::device::test {

inline constexpr Features packed_features = bench_features | feature_ring_packed;

struct PackedBench {
    static constexpr std::uint32_t ring_size = 13;

    /// `negotiated`: all that the driver takes.
    explicit PackedBench(Features negotiated = packed_features, bool always_poll = false,
                         RingEventLog* events = nullptr) {
        NetDeviceOptions options;
        options.features = possible_features({.serves_config = true});
        options.always_poll = always_poll;
        device = std::make_unique<NetDevice>(loop, wire, options, events, nullptr);
        must(device->set_features(negotiated));
        device->set_memory(ram.mapped());
        transmit.in_order = (negotiated & feature_in_order) != 0;
        start(0, receive, receive_fds);
        start(1, transmit, transmit_fds);
    }
    void start(unsigned queue, const FakePackedDriver& driver, const QueueEvents& fds) {
        must(device->set_ring_size(queue, driver.size()));
        must(device->set_ring_addresses(queue, driver.addresses()));
        must(device->set_ring_base(queue, PackedRing::initial_base));
        must(device->set_ring_call(queue, fds.call.share()));
        must(device->set_ring_error(queue, fds.error.share()));
        must(device->set_ring_kick(queue, fds.kick.share()));
        must(device->set_ring_enabled(queue, true));
    }
    void settle() {
        for (int i = 0; i < 8; ++i) {
            loop.turn(std::chrono::milliseconds(0));
        }
    }
    std::string broken_by(unsigned queue) const {
        const auto& fault = std::as_const(*device).queue(queue).virtqueue().broken_by();
        return fault ? to_string(fault->kind) : "";
    }

    EventLoop loop;
    BenchWire wire;
    GuestRam ram;
    FakePackedDriver receive{ram, ring_size};
    FakePackedDriver transmit{ram, ring_size};
    QueueEvents receive_fds;
    QueueEvents transmit_fds;
    std::unique_ptr<NetDevice> device;
};

}  // namespace skbtrail::device::test
