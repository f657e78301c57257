// A front end that lies in the middle of an honest conversation: each lie is refused, with the
// acknowledgement that says so, and nothing of what was agreed before is touched: frames still go
// through. And one that leaves, at any byte.

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/virtqueue/inflight_area.h"
#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();

/// What a row has at hand.
struct Scene {
    Guest& guest;
    FakeFrontEnd& front_end;

    template <typename T>
    std::uint64_t say(Request request, const T& value, const std::vector<int>& fds = {}) {
        return front_end.acknowledge(request, value, fds);
    }
    /// A table of `regions`, which claims `count` of them, with so many descriptors.
    std::uint64_t table(const std::vector<MemoryRegion>& regions, std::uint32_t count,
                        std::size_t fds) {
        std::vector<std::byte> payload(memory_table_header);
        std::memcpy(payload.data(), &count, sizeof count);
        const auto bytes = std::as_bytes(std::span(regions));
        payload.insert(payload.end(), bytes.begin(), bytes.end());
        front_end.send(Request::set_mem_table, payload, std::vector<int>(fds, guest.ram.fd().get()),
                       true);
        const auto reply = front_end.receive();
        return reply ? reply->u64() : 99;
    }
    std::uint64_t table(const std::vector<MemoryRegion>& regions) {
        return table(regions, static_cast<std::uint32_t>(regions.size()), regions.size());
    }
    std::uint64_t slot(const MemoryRegion& region) {
        return say(Request::add_mem_reg, SingleMemoryRegion{0, region}, {guest.ram.fd().get()});
    }
};

struct Lie {
    std::string what;
    std::function<std::uint64_t(Scene&)> tell;  ///< the acknowledgement
};

std::vector<Lie> lies() {
    constexpr std::uint64_t size = GuestRam::default_size;
    constexpr std::uint64_t guest = GuestRam::default_base;
    constexpr std::uint64_t user = GuestRam::user_base;
    std::vector<Lie> all;
    // Queues that are not there, some of which are when only the low bits are looked at.
    for (const std::uint32_t index :
         {2u, 0x80u, 0x100u, 0x101u, 0x10000u, 0x80000000u, 0x80000001u, 0xffffffffu}) {
        const std::string which = "queue " + std::to_string(index);
        all.push_back({which + ", size", [=](Scene& s) {
                           return s.say(Request::set_vring_num, VringState{index, 16});
                       }});
        all.push_back({which + ", base", [=](Scene& s) {
                           return s.say(Request::set_vring_base, VringState{index, 0});
                       }});
        all.push_back({which + ", addresses", [=](Scene& s) {
                           return s.say(Request::set_vring_addr,
                                        ring_address(index, s.guest.receive.addresses()));
                       }});
        all.push_back({which + ", enabled", [=](Scene& s) {
                           return s.say(Request::set_vring_enable, VringState{index, 1});
                       }});
    }
    for (const std::uint64_t index :
         {std::uint64_t{2}, std::uint64_t{0x200}, std::uint64_t{1} << 32, std::uint64_t{1} << 63,
          top & ~std::uint64_t{0x100}}) {
        for (const Request request :
             {Request::set_vring_kick, Request::set_vring_call, Request::set_vring_err}) {
            all.push_back({"a descriptor for queue " + std::to_string(index), [=](Scene& s) {
                               return s.say(request, index, {s.guest.receive_fds.call.fd()});
                           }});
        }
    }
    const std::vector<Lie> others = {
        {"a ring is given another size while it runs",
         [](Scene& s) { return s.say(Request::set_vring_num, VringState{1, 8}); }},
        {"a ring is moved while it runs",
         [](Scene& s) {
             return s.say(Request::set_vring_addr, ring_address(1, s.guest.receive.addresses()));
         }},
        {"a ring is set back while it runs",
         [](Scene& s) { return s.say(Request::set_vring_base, VringState{1, 7}); }},
        {"features change while rings run",
         [](Scene& s) {
             return s.say(Request::set_features, feature_version_1 | protocol_features_bit);
         }},
        {"neither enabled nor disabled",
         [](Scene& s) { return s.say(Request::set_vring_enable, VringState{1, 2}); }},
        {"a status of nine bits",
         [](Scene& s) { return s.say(Request::set_status, std::uint64_t{0x100}); }},
        {"an MTU of 0", [](Scene& s) { return s.say(Request::net_set_mtu, std::uint64_t{0}); }},
        {"an MTU of 17 bits",
         [](Scene& s) { return s.say(Request::net_set_mtu, std::uint64_t{0x10000}); }},
        {"a protocol feature that nobody has",
         [](Scene& s) { return s.say(Request::set_protocol_features, std::uint64_t{1} << 63); }},
        // Memory. What is refused leaves the old table in use.
        {"a region whose guest addresses wrap",
         [=](Scene& s) { return s.table({{top - size + 2, size, user, 0}}); }},
        {"a region whose user addresses wrap",
         [=](Scene& s) { return s.table({{guest, size, top - 100, 0}}); }},
        {"a region whose offset wraps",
         [=](Scene& s) { return s.table({{guest, size, user, top - 100}}); }},
        {"a region of all the address space", [=](Scene& s) { return s.table({{0, top, 0, 0}}); }},
        {"a region one byte longer than its file",
         [=](Scene& s) { return s.table({{guest, size + 1, user, 0}}); }},
        {"a region behind its file",
         [=](Scene& s) { return s.table({{guest, 4096, user, size}}); }},
        {"a region of no bytes", [=](Scene& s) { return s.table({{guest, 0, user, 0}}); }},
        {"two regions that share a guest address",
         [=](Scene& s) {
             return s.table({{guest, 8192, user, 0}, {guest + 8191, 4096, user + 0x100000, 8192}});
         }},
        {"two regions that share a user address",
         [=](Scene& s) {
             return s.table({{guest, 8192, user, 0}, {guest + 0x100000, 4096, user + 8191, 8192}});
         }},
        {"a table that claims a region more than it has",
         [=](Scene& s) { return s.table({{guest, size, user, 0}}, 2, 2); }},
        {"a table with a descriptor less than regions",
         [=](Scene& s) {
             return s.table({{guest, 4096, user, 0}, {guest + 4096, 4096, user + 4096, 4096}}, 2,
                            1);
         }},
        {"a table that claims 4,294,967,295 regions",
         [=](Scene& s) { return s.table({{guest, size, user, 0}}, 0xffffffff, 1); }},
        {"a slot over memory that is there",
         [=](Scene& s) { return s.slot({guest + size - 1, 4096, user + 2 * size, 0}); }},
        {"a slot over user addresses that are there",
         [=](Scene& s) { return s.slot({guest + 2 * size, 4096, user + size - 1, 0}); }},
        {"a slot that wraps", [=](Scene& s) { return s.slot({top - 10, 4096, user, 0}); }},
        {"a slot behind its file",
         [=](Scene& s) { return s.slot({guest + size, 4096, user + size, size}); }},
        {"a slot is removed that is not there",
         [=](Scene& s) {
             return s.say(Request::rem_mem_reg, SingleMemoryRegion{0, {guest, size - 1, user, 0}});
         }},
    };
    all.insert(all.end(), others.begin(), others.end());
    return all;
}

/// Everything that a front end says to start a guest, as bytes, and which descriptors go with the
/// byte at an offset.
struct Conversation {
    std::vector<std::byte> bytes;
    std::map<std::size_t, std::vector<int>> fds;

    void say(Request request, std::span<const std::byte> payload,
             const std::vector<int>& with = {}) {
        if (!with.empty()) {
            fds[bytes.size()] = with;
        }
        const auto message = encode(static_cast<std::uint32_t>(request), payload);
        bytes.insert(bytes.end(), message.begin(), message.end());
    }
    template <typename T>
    void say_value(Request request, const T& value, const std::vector<int>& with = {}) {
        say(request, std::as_bytes(std::span(&value, 1)), with);
    }
    void start(std::uint32_t index, const FakeDriver& driver, const QueueEvents& events) {
        say_value(Request::set_vring_num, VringState{index, driver.size()});
        say_value(Request::set_vring_base, VringState{index, 0});
        say_value(Request::set_vring_addr, ring_address(index, driver.addresses()));
        say_value(Request::set_vring_call, std::uint64_t{index}, {events.call.fd()});
        say_value(Request::set_vring_err, std::uint64_t{index}, {events.error.fd()});
        say_value(Request::set_vring_kick, std::uint64_t{index}, {events.kick.fd()});
        say_value(Request::set_vring_enable, VringState{index, 1});
    }
};

/// Has as many front ends as the conversation has bytes, and one: each says one byte more of it
/// than the one before, and leaves. Nothing of any of them stays.
void leave_after_every_byte(BackEnd& back_end, const Conversation& talk) {
    const auto level = spdlog::get_level();
    spdlog::set_level(spdlog::level::off);  // hundreds of connections end in a message
    const std::size_t before = open_descriptors();
    for (std::size_t length = 0; length <= talk.bytes.size(); ++length) {
        FakeFrontEnd front_end = back_end.connect();
        // In pieces that begin where descriptors do.
        std::size_t at = 0;
        while (at < length) {
            const auto next = talk.fds.upper_bound(at);
            const std::size_t end =
                std::min(length, next == talk.fds.end() ? talk.bytes.size() : next->first);
            const auto with = talk.fds.find(at);
            send_raw(front_end.fd(), std::span(talk.bytes).subspan(at, end - at),
                     with == talk.fds.end() ? std::vector<int>() : with->second);
            front_end.settle();
            at = end;
        }
        front_end.leave();
        REQUIRE(open_descriptors() == before);
        REQUIRE(back_end.state(0) == Virtqueue::State::stopped);
        REQUIRE(back_end.state(1) == Virtqueue::State::stopped);
    }
    CHECK(back_end.left == static_cast<int>(talk.bytes.size() + 1));
    spdlog::set_level(level);
}

}  // namespace

TEST_CASE("hostile front end: a lie changes nothing", "[device][vhost_user][hostile]") {
    static const std::vector<Lie> all = lies();
    const auto index = GENERATE(range(std::size_t{0}, all.size()));
    const Lie& lie = all[index];
    DYNAMIC_SECTION(lie.what) {
        BackEnd back_end;
        Guest guest;
        FakeFrontEnd front_end = back_end.connect();
        guest.plug_in(front_end);
        const std::size_t before = open_descriptors();

        Scene scene{guest, front_end};
        const std::uint64_t acknowledgement = lie.tell(scene);
        CHECK(acknowledgement == 1);
        CHECK(open_descriptors() == before);

        // A message of the wrong shape ends the conversation, which tells the front end as well.
        if (!front_end.ended()) {
            CHECK(back_end.state(0) == Virtqueue::State::running);
            CHECK(back_end.state(1) == Virtqueue::State::running);
            guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
            guest.transmit_fds.kick.signal();
            front_end.settle();
            CHECK(back_end.wire.sent.size() == 1);
            CHECK(guest.transmit.take_used());
            guest.receive.chain().writable(200).offer();
            CHECK(back_end.wire.deliver(pattern(60)));
            front_end.settle();
            CHECK(guest.receive.take_used());
        }
    }
}

TEST_CASE("hostile front end: it leaves after every byte of every message",
          "[device][vhost_user][hostile]") {
    BackEnd back_end;
    Guest guest;
    Conversation talk;
    talk.say(Request::get_features, {});
    talk.say(Request::get_protocol_features, {});
    talk.say_value(Request::set_protocol_features, usual_protocol);
    talk.say(Request::set_owner, {});
    talk.say_value(Request::set_features, bench_features | protocol_features_bit);
    talk.say(Request::set_mem_table, memory_table(guest.ram), {guest.ram.fd().get()});
    talk.start(0, guest.receive, guest.receive_fds);
    talk.start(1, guest.transmit, guest.transmit_fds);
    talk.say_value(Request::set_status, std::uint64_t{0x0f});
    talk.say_value(Request::get_vring_base, VringState{1, 0});
    talk.say_value(Request::get_vring_base, VringState{0, 0});

    leave_after_every_byte(back_end, talk);
}

TEST_CASE("hostile front end: it leaves after every byte of the rarer messages",
          "[device][vhost_user][hostile]") {
    BackEnd back_end({.serve_config = true});
    Guest guest;
    const UniqueFd log(::memfd_create("log", MFD_CLOEXEC));
    REQUIRE(::ftruncate(log.get(), 4096) == 0);
    const auto [notes, noted] = must(InflightArea::create(2, 16, false));
    const TestEvent log_notice;
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const UniqueFd channel(ends[0]);
    const UniqueFd given(ends[1]);
    std::vector<std::byte> config = to_payload(ConfigHeader{0, 6, config_flag_migration});
    config.insert(config.end(), BackEnd::mac.begin(), BackEnd::mac.end());
    const SingleMemoryRegion region = single(guest.ram.regions().front());

    Conversation talk;
    talk.say_value(Request::set_protocol_features,
                   usual_protocol | protocol_config | protocol_inflight_shmfd | protocol_log_shmfd |
                       protocol_inband_notifications);
    talk.say(Request::set_owner, {});
    talk.say(Request::get_queue_num, {});
    talk.say(Request::get_max_mem_slots, {});
    talk.say_value(Request::set_features, bench_features | protocol_features_bit | feature_log_all);
    talk.say(Request::set_backend_req_fd, {}, {given.get()});
    talk.say_value(Request::add_mem_reg, region, {guest.ram.fd().get()});
    talk.say(Request::get_config, config);
    talk.say(Request::set_config, config);
    talk.say_value(Request::set_log_base, LogDescription{4096, 0}, {log.get()});
    talk.say_value(Request::set_log_fd, std::uint64_t{0}, {log_notice.fd()});
    talk.say(Request::get_inflight_fd, to_payload({0, 0, 2, 16}, most_inflight));
    talk.say(Request::set_inflight_fd, to_payload(noted, most_inflight), {notes.get()});
    for (const auto& [index, driver] :
         {std::pair{0U, &guest.receive}, std::pair{1U, &guest.transmit}}) {
        talk.say_value(Request::set_vring_num, VringState{index, driver->size()});
        talk.say_value(Request::set_vring_addr, ring_address(index, driver->addresses()));
        talk.say_value(Request::set_vring_enable, VringState{index, 1});
        talk.say_value(Request::vring_kick, VringState{index, 0});
    }
    talk.say_value(Request::net_set_mtu, std::uint64_t{1400});
    talk.say_value(Request::send_rarp, std::uint64_t{0x020000000009});
    talk.say(Request::get_status, {});
    talk.say_value(Request::rem_mem_reg, region);
    talk.say(Request::reset_device, {});
    talk.say(Request::reset_owner, {});
    // All of it is understood, and has its effect.
    {
        FakeFrontEnd front_end = back_end.connect();
        std::size_t at = 0;
        talk.fds[talk.bytes.size()] = {};
        for (const auto& [next, with] : talk.fds) {
            if (next > at) {
                const auto fds = talk.fds.find(at);
                send_raw(front_end.fd(), std::span(talk.bytes).subspan(at, next - at),
                         fds == talk.fds.end() ? std::vector<int>() : fds->second);
                front_end.settle();
            }
            at = next;
        }
        talk.fds.erase(talk.bytes.size());
        REQUIRE_FALSE(front_end.ended());
        CHECK(back_end.wire.sent.size() == 1);  // the RARP
        front_end.leave();
        back_end.left = 0;
    }
    leave_after_every_byte(back_end, talk);
}
