#include "tests/hostile/soak/guest.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "device/net/features.h"
#include "device/net/header.h"
#include "tests/unit/device/fake_front_end.h"

namespace skbtrail::hostile {

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using device::vhost_user::Request;
using device::vhost_user::VringAddress;
using device::vhost_user::VringState;

namespace {

constexpr int answer_limit_ms = 30'000;
constexpr std::size_t header_bytes = 12;
constexpr std::size_t number_at = 14;
constexpr std::size_t least_frame = 60;
constexpr std::size_t frame_lengths = 1400;
/// Numbers that are waited for at most: what did not come back by then was dropped.
constexpr std::size_t most_expected = 4096;

UniqueFd connect_to(const std::string& path) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("cannot connect to the NIC");
    }
    return socket;
}

/// Ethernet between two stations, a number, and a pattern that the number determines. The wire may
/// swap the addresses.
std::vector<std::byte> make_frame(std::uint64_t number) {
    const std::size_t length = least_frame + number * 37 % frame_lengths;
    std::vector<std::byte> frame = pattern(length, static_cast<unsigned>(number));
    constexpr std::array<std::uint8_t, 14> ethernet{0x52, 0x54, 0, 0, 0, 1,    0x52,
                                                    0x54, 0,    0, 0, 2, 0x88, 0xb5};
    std::memcpy(frame.data(), ethernet.data(), ethernet.size());
    std::memcpy(frame.data() + number_at, &number, sizeof number);
    return frame;
}

}  // namespace

Guest::Guest(const std::string& socket, Tally& tally, RingFormat format)
    : tally_(tally),
      socket_(connect_to(socket)),
      receive_(ram_, ring_size, format),
      transmit_(ram_, ring_size, format) {
    ++tally_.visits;
    for (std::uint32_t i = 0; i < ring_size; ++i) {
        free_receive_.push_back(ram_.allocate(buffer_bytes));
        free_transmit_.push_back(ram_.allocate(buffer_bytes));
    }
    send_message(Request::get_features, {});
    const auto offered = vhost_user::read_payload<std::uint64_t>(reply());
    const std::uint64_t wanted = feature_version_1 | feature_mrg_rxbuf | feature_event_idx |
                                 feature_indirect_desc |
                                 (format == RingFormat::packed ? feature_ring_packed : 0);
    if ((offered & wanted) != wanted) {
        throw std::runtime_error("the NIC does not offer what the soak is about");
    }
    send_message(Request::get_protocol_features, {});
    const auto protocol = vhost_user::read_payload<std::uint64_t>(reply());
    say(Request::set_protocol_features, protocol & vhost_user::protocol_reply_ack);
    acknowledged();
    send_message(Request::set_owner, {});
    acknowledged();
    say(Request::set_features, wanted | vhost_user::protocol_features_bit);
    acknowledged();
    struct Table {
        std::uint32_t count = 1;
        std::uint32_t padding = 0;
        vhost_user::MemoryRegion region;
    };
    say(Request::set_mem_table,
        Table{.region = {GuestRam::default_base, GuestRam::default_size, GuestRam::user_base, 0}},
        ram_.fd().get());
    acknowledged();
    start_ring(0, 0);
    start_ring(1, 0);
}

void Guest::send_message(Request request, std::span<const std::byte> payload, int fd) {
    send_raw(socket_.get(),
             encode(static_cast<std::uint32_t>(request), payload,
                    vhost_user::flag_version | vhost_user::flag_need_reply),
             fd >= 0 ? std::vector<int>{fd} : std::vector<int>{});
}

template <typename Payload>
void Guest::say(Request request, const Payload& payload, int fd) {
    send_message(request, std::as_bytes(std::span(&payload, 1)), fd);
}

std::vector<std::byte> Guest::reply() {
    const auto read_all = [&](std::span<std::byte> to) {
        while (!to.empty()) {
            pollfd wanted{socket_.get(), POLLIN, 0};
            ssize_t got = 0;
            if (::poll(&wanted, 1, answer_limit_ms) != 1 ||
                (got = ::recv(socket_.get(), to.data(), to.size(), 0)) <= 0) {
                throw std::runtime_error("the NIC does not answer");
            }
            to = to.subspan(static_cast<std::size_t>(got));
        }
    };
    vhost_user::Header header{};
    read_all(std::as_writable_bytes(std::span(&header, 1)));
    std::vector<std::byte> payload(std::min(header.size, vhost_user::max_payload));
    read_all(payload);
    return payload;
}

void Guest::acknowledged() {
    if (vhost_user::read_payload<std::uint64_t>(reply()) != 0) {
        throw std::runtime_error("the NIC refuses an honest message");
    }
}

void Guest::start_ring(unsigned queue, std::uint32_t base) {
    const RingAddresses at = ring(queue).addresses();
    say(Request::set_vring_num, VringState{queue, ring_size});
    acknowledged();
    say(Request::set_vring_base, VringState{queue, base});
    acknowledged();
    say(Request::set_vring_addr,
        VringAddress{queue, 0, at.descriptors.value, at.used.value, at.available.value, 0});
    acknowledged();
    say(Request::set_vring_call, std::uint64_t{queue}, events_[queue].call.fd());
    acknowledged();
    say(Request::set_vring_err, std::uint64_t{queue}, events_[queue].error.fd());
    acknowledged();
    say(Request::set_vring_kick, std::uint64_t{queue}, events_[queue].kick.fd());
    acknowledged();
    say(Request::set_vring_enable, VringState{queue, 1});
    acknowledged();
}

void Guest::restart(unsigned queue) {
    say(Request::get_vring_base, VringState{queue, 0});
    const auto state = vhost_user::read_payload<VringState>(reply());
    start_ring(queue, state.num);
}

void Guest::take_returned() {
    while (const auto used = receive_.take_used()) {
        const auto buffer = given_.find(used->head);
        if (buffer == given_.end()) {
            throw std::runtime_error("the NIC returned a receive buffer that it did not have");
        }
        // Frames are shorter than a buffer, so each is one chain.
        const std::size_t length = std::min<std::size_t>(used->length, buffer_bytes);
        if (length >= header_bytes) {
            judge(std::span(ram_.at(buffer->second), length).subspan(header_bytes));
        }
        free_receive_.push_back(buffer->second);
        given_.erase(buffer);
    }
    while (const auto used = transmit_.take_used()) {
        const auto buffer = sending_.find(used->head);
        if (buffer == sending_.end()) {
            throw std::runtime_error("the NIC returned a frame that it did not have");
        }
        free_transmit_.push_back(buffer->second);
        sending_.erase(buffer);
    }
    // The guest does not need interrupts; the NIC shall work.
    receive_.ask_for_call();
    transmit_.ask_for_call();
    for (QueueEvents& events : events_) {
        tally_.calls += events.call.take();
        tally_.broken += events.error.take();
    }
    tally_.held_give = given_.size();
    tally_.held_send = sending_.size();
}

void Guest::judge(std::span<const std::byte> frame) {
    std::uint64_t number = 0;
    if (frame.size() >= least_frame) {
        std::memcpy(&number, frame.data() + number_at, sizeof number);
    }
    if (number == 0 || number >= next_number_) {
        ++tally_.damaged;
        return;
    }
    const auto sent = make_frame(number);
    if (!std::ranges::equal(std::span(sent).subspan(number_at), frame.subspan(number_at))) {
        ++tally_.damaged;
        return;
    }
    ++(expected_.erase(number) == 1 ? tally_.intact : tally_.again);
}

void Guest::give_buffers() {
    bool any = false;
    while (!free_receive_.empty()) {
        const GuestAddress buffer = free_receive_.back();
        free_receive_.pop_back();
        given_.emplace(receive_.offer({buffer, buffer_bytes, true}), buffer);
        any = true;
    }
    if (any) {
        events_[0].kick.signal();
    }
}

void Guest::work(std::size_t frames) {
    take_returned();
    give_buffers();
    std::size_t sent = 0;
    while (sent < frames && !free_transmit_.empty()) {
        const GuestAddress buffer = free_transmit_.back();
        free_transmit_.pop_back();
        const std::uint64_t number = next_number_++;
        const auto frame = make_frame(number);
        std::memset(ram_.at(buffer), 0, header_bytes);
        ram_.put(GuestAddress{buffer.value + header_bytes}, frame);
        const auto length = static_cast<std::uint32_t>(header_bytes + frame.size());
        sending_.emplace(transmit_.offer({buffer, length, false}), buffer);
        expected_.insert(number);
        if (expected_.size() > most_expected) {
            expected_.erase(expected_.begin());
        }
        ++sent;
    }
    if (sent > 0) {
        events_[1].kick.signal();
    }
    tally_.sent += sent;
}

}  // namespace skbtrail::hostile
