// The back end's own channel to the front end, and notifications without descriptors.

#include <array>
#include <optional>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// The front end's end of the channel.
class ChannelEnd {
  public:
    ChannelEnd() {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error("socketpair");
        }
        mine_.reset(ends[0]);
        given_.reset(ends[1]);
    }
    /// To pass to the back end.
    int given() const { return given_.get(); }
    /// Only the back end has it now.
    void close_given() { given_.reset(); }
    void close_mine() { mine_.reset(); }
    int fd() const { return mine_.get(); }

    struct Heard {
        BackEndRequest request{};
        std::uint32_t flags = 0;
        std::optional<VringState> state;
    };
    std::optional<Heard> hear() {
        Header header{};
        if (::recv(mine_.get(), &header, sizeof header, MSG_DONTWAIT) != sizeof header) {
            return std::nullopt;
        }
        Heard heard{static_cast<BackEndRequest>(header.request), header.flags, std::nullopt};
        if (header.size == sizeof(VringState)) {
            VringState state{};
            if (::recv(mine_.get(), &state, sizeof state, MSG_DONTWAIT) != sizeof state) {
                throw std::runtime_error("half a message");
            }
            heard.state = state;
        } else if (header.size != 0) {
            throw std::runtime_error("a message of no known size");
        }
        return heard;
    }
    void acknowledge(BackEndRequest request, std::uint64_t status = 0) {
        send_raw(mine_.get(), encode(static_cast<std::uint32_t>(request), to_payload(status),
                                     flag_version | flag_reply));
    }

  private:
    UniqueFd mine_;
    UniqueFd given_;
};

constexpr std::uint64_t in_band_protocol =
    usual_protocol | protocol_backend_req | protocol_inband_notifications;

/// A guest whose rings have no descriptors at all.
struct InBandGuest {
    GuestRam ram;
    FakeDriver receive{ram, 16};
    FakeDriver transmit{ram, 16};
    ChannelEnd channel;

    void plug_in(FakeFrontEnd& front_end) {
        negotiate(front_end, in_band_protocol);
        front_end.send(Request::set_backend_req_fd, {}, {channel.given()});
        channel.close_given();
        front_end.send(Request::set_mem_table, memory_table(ram), {ram.fd().get()});
        for (const auto& [index, driver] : {std::pair{0U, &receive}, std::pair{1U, &transmit}}) {
            front_end.send_value(Request::set_vring_num, VringState{index, driver->size()});
            front_end.send_value(Request::set_vring_base, VringState{index, 0});
            front_end.send_value(Request::set_vring_addr, ring_address(index, driver->addresses()));
            front_end.send_value(Request::set_vring_enable, VringState{index, 1});
        }
    }
    void offer_frame() {
        transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    }
};

}  // namespace

TEST_CASE("in-band: kicked and called by messages alone", "[device][vhost_user][in_band]") {
    BackEnd back_end;
    const std::size_t before = open_descriptors();
    {
        InBandGuest guest;
        FakeFrontEnd front_end = back_end.connect();
        guest.plug_in(front_end);
        CHECK(back_end.state(1) == Virtqueue::State::stopped);
        guest.offer_frame();
        // The kick starts the ring, and its acknowledgement comes after its work.
        CHECK(front_end.acknowledge(Request::vring_kick, VringState{1, 0}) == 0);
        CHECK(back_end.state(1) == Virtqueue::State::running);
        CHECK(back_end.wire.sent.size() == 1);
        const auto call = guest.channel.hear();
        REQUIRE(call);
        CHECK(call->request == BackEndRequest::vring_call);
        CHECK(call->flags == (flag_version | flag_need_reply));
        REQUIRE(call->state);
        CHECK(call->state->index == 1);
        CHECK(call->state->num == 0);
        guest.channel.acknowledge(BackEndRequest::vring_call);
        front_end.settle();

        // Wrong: a number, and a ring that is not there.
        CHECK(front_end.acknowledge(Request::vring_kick, VringState{1, 1}) != 0);
        CHECK(front_end.acknowledge(Request::vring_kick, VringState{2, 0}) != 0);
        // A kick of a ring that is not set up does nothing.
        CHECK(front_end.acknowledge(Request::vring_kick, VringState{0, 0}) == 0);
    }
    back_end.loop.turn(std::chrono::milliseconds(0));
    CHECK(open_descriptors() == before);
}

TEST_CASE("in-band: a front end that does not acknowledge is called once",
          "[device][vhost_user][in_band]") {
    BackEnd back_end;
    InBandGuest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    for (int i = 0; i < 5; ++i) {
        guest.transmit.set_used_event(static_cast<std::uint16_t>(i));  // wants each call
        guest.offer_frame();
        CHECK(front_end.acknowledge(Request::vring_kick, VringState{1, 0}) == 0);
    }
    CHECK(back_end.wire.sent.size() == 5);
    REQUIRE(guest.channel.hear());
    CHECK_FALSE(guest.channel.hear());
    // The calls since then are one.
    guest.channel.acknowledge(BackEndRequest::vring_call);
    front_end.settle();
    REQUIRE(guest.channel.hear());
    guest.channel.acknowledge(BackEndRequest::vring_call, 1);  // and a failure is only logged
    front_end.settle();
    CHECK_FALSE(guest.channel.hear());
}

TEST_CASE("in-band: a broken ring is told", "[device][vhost_user][in_band][hostile]") {
    BackEnd back_end;
    InBandGuest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    guest.transmit.offer_head(99);  // past the table
    CHECK(front_end.acknowledge(Request::vring_kick, VringState{1, 0}) == 0);
    CHECK(back_end.state(1) == Virtqueue::State::broken);
    const auto told = guest.channel.hear();
    REQUIRE(told);
    CHECK(told->request == BackEndRequest::vring_err);
    CHECK(told->state->index == 1);
}

TEST_CASE("in-band: descriptors are preferred where they are given",
          "[device][vhost_user][in_band]") {
    BackEnd back_end;
    InBandGuest guest;
    QueueEvents events;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    front_end.send_value(Request::set_vring_call, std::uint64_t{1}, {events.call.fd()});
    guest.offer_frame();
    CHECK(front_end.acknowledge(Request::vring_kick, VringState{1, 0}) == 0);
    CHECK(events.call.take() >= 1);
    CHECK_FALSE(guest.channel.hear());
}

TEST_CASE("in-band: not for a ring that has had a descriptor, also after a reset",
          "[device][vhost_user][in_band]") {
    // QEMU negotiates the feature, gives descriptors, resets, and starts rings before it gives
    // the descriptors again; it does not understand VRING_CALL.
    BackEnd back_end;
    InBandGuest guest;
    QueueEvents events;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    front_end.send_value(Request::set_vring_call, std::uint64_t{1}, {events.call.fd()});
    front_end.send(Request::reset_device);
    front_end.send_value(Request::set_features, bench_features | protocol_features_bit);
    front_end.send_value(Request::set_vring_num, VringState{1, 16});
    front_end.send_value(Request::set_vring_addr, ring_address(1, guest.transmit.addresses()));
    front_end.send_value(Request::set_vring_enable, VringState{1, 1});
    guest.offer_frame();
    front_end.send_value(Request::set_vring_kick, std::uint64_t{1}, {events.kick.fd()});
    CHECK(back_end.wire.sent.size() == 1);
    CHECK_FALSE(guest.channel.hear());
    events.call.take();
    front_end.send_value(Request::set_vring_call, std::uint64_t{1}, {events.call.fd()});
    CHECK(events.call.take() == 1);  // nothing was lost
}

TEST_CASE("in-band: needs the channel and acknowledgements", "[device][vhost_user][in_band]") {
    for (const std::uint64_t missing : {protocol_backend_req, protocol_reply_ack}) {
        BackEnd back_end;
        FakeFrontEnd front_end = back_end.connect();
        front_end.send_value(Request::set_protocol_features, in_band_protocol & ~missing);
        CHECK(front_end.ended());
    }
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    CHECK(front_end.acknowledge(Request::vring_kick, VringState{1, 0}) != 0);  // not negotiated
}

TEST_CASE("channel: what is no channel", "[device][vhost_user][in_band][hostile]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end, in_band_protocol);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const UniqueFd datagrams(ends[0]);
    const UniqueFd other_end(ends[1]);
    const TestEvent event;
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const std::size_t before = open_descriptors();
    for (const int fd : {writer.get(), datagrams.get(), event.fd(), null.get()}) {
        front_end.send(Request::set_backend_req_fd, {}, {fd}, true);
        CHECK(front_end.receive()->u64() != 0);
    }
    CHECK(open_descriptors() == before);
    CHECK_FALSE(front_end.ended());
}

TEST_CASE("channel: one that closes, lies, or is never read",
          "[device][vhost_user][in_band][hostile]") {
    BackEnd back_end;
    InBandGuest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    const auto send_one = [&] {
        guest.offer_frame();
        CHECK(front_end.acknowledge(Request::vring_kick, VringState{1, 0}) == 0);
        CHECK(guest.transmit.take_used());
    };
    SECTION("it closes") {
        send_one();
        guest.channel.close_mine();
    }
    SECTION("it says what is no reply") {
        send_raw(guest.channel.fd(), encode(4, to_payload(std::uint64_t{0})));
    }
    SECTION("it acknowledges what was not sent") {
        guest.channel.acknowledge(BackEndRequest::vring_call);
    }
    SECTION("it acknowledges in pieces, and then lies about the size") {
        send_one();
        REQUIRE(guest.channel.hear());
        auto reply = encode(4, to_payload(std::uint64_t{0}), flag_version | flag_reply);
        send_raw(guest.channel.fd(), std::span(reply).first(5));
        front_end.settle();
        send_raw(guest.channel.fd(), std::span(reply).subspan(5));
        front_end.settle();
        reply[8] = std::byte{200};
        send_raw(guest.channel.fd(), reply);
    }
    front_end.settle();
    // The device and the connection go on, only unheard.
    send_one();
    send_one();
    CHECK_FALSE(front_end.ended());
    CHECK_FALSE(back_end.loop.turn(std::chrono::milliseconds(0)));  // and nothing spins
}

TEST_CASE("channel: a socket that is full blocks nothing",
          "[device][vhost_user][in_band][hostile]") {
    EventLoop loop;
    ChannelEnd end;
    const int smallest = 1;
    ::setsockopt(end.given(), SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
    const auto channel = must(BackEndChannel::adopt(UniqueFd(::dup(end.given())), loop, false));
    end.close_given();
    // Without acknowledgements each call is a message, until the socket takes no more.
    for (int i = 0; i < 10000; ++i) {
        CHECK(channel->call(static_cast<unsigned>(i % 200)));
    }
    CHECK(channel->sent() < 10000);
    CHECK(channel->merged() > 0);
    CHECK(channel->sent() + channel->merged() <= 10000);
    // What was held back is told when there is room: every ring at least once.
    std::vector<bool> told(200);
    std::uint64_t messages = 0;
    do {
        while (const auto heard = end.hear()) {
            told.at(heard->state->index) = true;
            ++messages;
        }
    } while (loop.turn(std::chrono::milliseconds(0)));
    CHECK(std::all_of(told.begin(), told.end(), [](bool one) { return one; }));
    CHECK(messages == channel->sent());
    CHECK(messages + channel->merged() == 10000);
}

TEST_CASE("channel: says that the configuration changed", "[device][vhost_user][in_band]") {
    EventLoop loop;
    ChannelEnd end;
    const auto channel = must(BackEndChannel::adopt(UniqueFd(::dup(end.given())), loop, true));
    CHECK(channel->config_changed());
    CHECK(channel->config_changed());
    const auto heard = end.hear();
    REQUIRE(heard);
    CHECK(heard->request == BackEndRequest::config_change);
    CHECK_FALSE(heard->state);
    CHECK_FALSE(end.hear());
    end.acknowledge(BackEndRequest::config_change);
    loop.turn(std::chrono::milliseconds(0));
    CHECK(end.hear());
}
