// A whole back end without its program, and what a front end passes to it.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "device/vhost_user/server.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/fake_front_end.h"
#include "tests/unit/device/net_bench.h"
#include "tests/unit/device/temporary_directory.h"

namespace skbtrail::device::test {

using namespace skbtrail::device::vhost_user;

/// Device, session and socket, turned by the test's own loop.
struct BackEnd {
    /// `without`: features not to offer, of all that are possible.
    explicit BackEnd(SessionOptions options = {}, unsigned pairs = 1, Features without = 0)
        : device(
              loop, wire,
              NetDeviceOptions{.features = possible_features({.serves_config = options.serve_config,
                                                              .queue_pairs = pairs}) &
                                           ~without,
                               .queue_pairs = pairs,
                               .mac = mac},
              nullptr, {}),
          listener(must(Listener::open(directory / "nic.sock"))),
          server(loop, listener, device, device, options, [this] { ++left; }) {}

    FakeFrontEnd connect() { return {loop, listener.path()}; }
    Virtqueue::State state(unsigned queue) const {
        return std::as_const(device).queue(queue).virtqueue().state();
    }
    bool enabled(unsigned queue) const {
        return std::as_const(device).queue(queue).virtqueue().enabled();
    }

    static constexpr std::array<std::byte, 6> mac{std::byte{2}, std::byte{0}, std::byte{0},
                                                  std::byte{0}, std::byte{0}, std::byte{9}};
    TemporaryDirectory directory;
    EventLoop loop;
    BenchWire wire;
    NetDevice device;
    Listener listener;
    int left = 0;
    Server server;
};

inline std::vector<std::byte> memory_table(const GuestRam& ram) {
    std::vector<std::byte> payload(memory_table_header);
    const auto count = static_cast<std::uint32_t>(ram.regions().size());
    std::memcpy(payload.data(), &count, sizeof count);
    for (const RegionDescription& region : ram.regions()) {
        const MemoryRegion wire{region.guest_address.value, region.size, region.user_address.value,
                                region.file_offset};
        const auto bytes = std::as_bytes(std::span(&wire, 1));
        payload.insert(payload.end(), bytes.begin(), bytes.end());
    }
    return payload;
}

inline SingleMemoryRegion single(const RegionDescription& region) {
    return {
        0,
        {region.guest_address.value, region.size, region.user_address.value, region.file_offset}};
}

inline VringAddress ring_address(std::uint32_t index, const RingAddresses& addresses) {
    return {index, 0, addresses.descriptors.value, addresses.used.value, addresses.available.value,
            0};
}

/// What QEMU, and most others, negotiate.
inline constexpr std::uint64_t usual_protocol =
    protocol_mq | protocol_rarp | protocol_reply_ack | protocol_mtu | protocol_reset_device |
    protocol_configure_mem_slots | protocol_status | protocol_backend_req;

inline void negotiate(FakeFrontEnd& front_end, std::uint64_t protocol = usual_protocol,
                      std::uint64_t features = bench_features | protocol_features_bit) {
    front_end.send_value(Request::set_protocol_features, protocol);
    front_end.send(Request::set_owner);
    front_end.send_value(Request::set_features, features);
}

/// What QEMU does to bring up one queue.
inline void start_queue(FakeFrontEnd& front_end, std::uint32_t index, const FakeDriver& driver,
                        const QueueEvents& events) {
    front_end.send_value(Request::set_vring_num, VringState{index, driver.size()});
    front_end.send_value(Request::set_vring_base, VringState{index, 0});
    front_end.send_value(Request::set_vring_addr, ring_address(index, driver.addresses()));
    front_end.send_value(Request::set_vring_call, std::uint64_t{index}, {events.call.fd()});
    front_end.send_value(Request::set_vring_err, std::uint64_t{index}, {events.error.fd()});
    front_end.send_value(Request::set_vring_kick, std::uint64_t{index}, {events.kick.fd()});
    front_end.send_value(Request::set_vring_enable, VringState{index, 1});
}

/// Memory, drivers and descriptors of a guest with one pair.
struct Guest {
    std::uint64_t protocol = usual_protocol;
    GuestRam ram;
    FakeDriver receive{ram, 16};
    FakeDriver transmit{ram, 16};
    QueueEvents receive_fds;
    QueueEvents transmit_fds;

    void plug_in(FakeFrontEnd& front_end) {
        negotiate(front_end, protocol);
        front_end.send(Request::set_mem_table, memory_table(ram), {ram.fd().get()});
        start_queue(front_end, 0, receive, receive_fds);
        start_queue(front_end, 1, transmit, transmit_fds);
    }
};

}  // namespace skbtrail::device::test
