// Chains in flight through messages: asked for, handed over, lied about; and a back end that is
// killed in the middle of traffic.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <poll.h>
#include <sys/mman.h>

#include "device/virtqueue/inflight_area.h"
#include "tests/unit/device/back_end.h"
#include "tests/unit/device/fake_packed_driver.h"
#include "tests/unit/device/nic_child.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

constexpr std::uint64_t with_inflight = usual_protocol | protocol_inflight_shmfd;

/// A reply's payload and descriptor, waited for.
std::pair<std::vector<std::byte>, UniqueFd> await_with_fd(int socket) {
    pollfd state{socket, POLLIN, 0};
    REQUIRE(::poll(&state, 1, 10'000) == 1);
    Header header{};
    iovec part{&header, sizeof header};
    std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    REQUIRE(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == sizeof header);
    UniqueFd fd;
    if (const cmsghdr* const carried = CMSG_FIRSTHDR(&message)) {
        int number = -1;
        std::memcpy(&number, CMSG_DATA(carried), sizeof number);
        fd.reset(number);
    }
    std::vector<std::byte> payload(header.size);
    REQUIRE(::recv(socket, payload.data(), payload.size(), MSG_WAITALL) ==
            static_cast<ssize_t>(payload.size()));
    return {std::move(payload), std::move(fd)};
}

/// What the front end keeps for the next back end.
struct Notes {
    InflightDescription description;
    UniqueFd file;
};

Notes ask_for_notes(FakeFrontEnd& front_end, std::uint16_t queues, std::uint16_t size,
                    std::size_t payload = most_inflight) {
    front_end.send(Request::get_inflight_fd, to_payload({0, 0, queues, size}, payload));
    auto [reply, file] = await_with_fd(front_end.fd());
    CHECK(reply.size() == payload);
    return {parse_inflight(reply), std::move(file)};
}

std::uint64_t hand_over(FakeFrontEnd& front_end, const InflightDescription& description, int fd) {
    front_end.send(Request::set_inflight_fd, to_payload(description, most_inflight), {fd}, true);
    return front_end.receive()->u64();
}

}  // namespace

TEST_CASE("inflight: asked for and handed over", "[device][vhost_user][inflight]") {
    BackEnd back_end;
    Guest guest;
    guest.protocol = with_inflight;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end, with_inflight);
    const auto payload = GENERATE(std::size_t{least_inflight}, std::size_t{most_inflight});
    const Notes notes = ask_for_notes(front_end, 2, 16, payload);
    REQUIRE(notes.file);
    CHECK(notes.description.queues == 2);
    CHECK(notes.description.queue_size == 16);
    CHECK(notes.description.offset == 0);
    CHECK(notes.description.size == 2 * 320);
    CHECK(hand_over(front_end, notes.description, notes.file.get()) == 0);
    guest.plug_in(front_end);
    guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    guest.transmit_fds.kick.signal();
    front_end.settle();
    CHECK(guest.transmit.take_used());
    // Not under a running ring.
    CHECK(hand_over(front_end, notes.description, notes.file.get()) != 0);
    CHECK(back_end.state(1) == Virtqueue::State::running);
}

TEST_CASE("inflight: what is handed over and cannot be",
          "[device][vhost_user][inflight][hostile]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end, with_inflight);
    const Notes notes = ask_for_notes(front_end, 2, 16);
    const InflightDescription& good = notes.description;
    const auto refused = [&](const InflightDescription& description, int fd) {
        return hand_over(front_end, description, fd) != 0;
    };
    CHECK(refused({good.size, 0, 3, 16}, notes.file.get()));
    CHECK(refused({good.size, 0, 2, 32}, notes.file.get()));
    CHECK(refused({good.size, 0, 0, 16}, notes.file.get()));
    CHECK(refused({good.size, 0, 2, 0}, notes.file.get()));
    CHECK(refused({good.size + 4096, 0, 2, 16}, notes.file.get()));
    CHECK(refused({good.size, 4096, 2, 16}, notes.file.get()));
    CHECK(refused({good.size, ~std::uint64_t{0}, 2, 16}, notes.file.get()));
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    const TestEvent event;
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int fd : {reader.get(), event.fd(), null.get(), front_end.fd()}) {
        CHECK(refused(good, fd));
    }
    CHECK_FALSE(refused(good, notes.file.get()));
    CHECK_FALSE(front_end.ended());
    // A request that has no answer ends the conversation.
    front_end.send(Request::get_inflight_fd, to_payload({0, 0, 0, 16}, most_inflight));
    CHECK(front_end.ended());
}

TEST_CASE("inflight: notes that are for fewer queues, or shorter ones",
          "[device][vhost_user][inflight][hostile]") {
    BackEnd back_end;
    Guest guest;
    guest.protocol = with_inflight;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end, with_inflight);
    SECTION("the queue without is served without") {
        const Notes notes = ask_for_notes(front_end, 1, 16);
        CHECK(hand_over(front_end, notes.description, notes.file.get()) == 0);
        guest.plug_in(front_end);
        CHECK(back_end.state(0) == Virtqueue::State::running);
        CHECK(back_end.state(1) == Virtqueue::State::running);
    }
    SECTION("a ring that is longer breaks") {
        const Notes notes = ask_for_notes(front_end, 2, 8);
        CHECK(hand_over(front_end, notes.description, notes.file.get()) == 0);
        guest.plug_in(front_end);
        CHECK(back_end.state(1) == Virtqueue::State::broken);
        CHECK(guest.transmit_fds.error.take() == 1);
        CHECK_FALSE(front_end.ended());
    }
}

TEST_CASE("inflight: a file that is cut short while it is used",
          "[device][vhost_user][inflight][hostile]") {
    BackEnd back_end;
    Guest guest;
    guest.protocol = with_inflight;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end, with_inflight);
    const InflightDescription description{1 << 16, 0, 2, 16};
    const UniqueFd file(::memfd_create("notes", MFD_CLOEXEC));
    REQUIRE(::ftruncate(file.get(), 1 << 16) == 0);
    CHECK(hand_over(front_end, description, file.get()) == 0);
    guest.plug_in(front_end);
    REQUIRE(back_end.state(1) == Virtqueue::State::running);
    REQUIRE(::ftruncate(file.get(), 0) == 0);
    guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    guest.transmit_fds.kick.signal();
    front_end.settle();
    CHECK(back_end.state(1) == Virtqueue::State::broken);
    CHECK(std::as_const(back_end.device).queue(1).virtqueue().broken_by()->kind ==
          RingFaultKind::memory_lost);
    CHECK(guest.transmit_fds.error.take() == 1);
    CHECK_FALSE(guest.transmit.take_used());
    front_end.leave();
    FakeFrontEnd next = back_end.connect();
    CHECK(next.ask(Request::get_features).u64() != 0);
}

namespace {

/// The guest of a back end that is a process, and dies: its rings outlive it.
template <typename Driver>
class Survivor {
  public:
    static constexpr bool packed = std::is_same_v<Driver, FakePackedDriver>;
    static constexpr std::uint16_t size = 64;

    explicit Survivor(std::string socket) : socket_(std::move(socket)) {
        while (receive_posted_ < size / 2) {
            post_buffer();
        }
    }

    /// A front end that comes back hands over what it was given the first time.
    void connect() {
        front_end_.emplace(loop_, socket_);
        const std::uint64_t features =
            bench_features | protocol_features_bit | (packed ? feature_ring_packed : Features{0});
        negotiate(*front_end_, with_inflight, features);
        if (!notes_) {
            notes_ = ask_for_notes(*front_end_, 2, size);
        }
        front_end_->send(Request::set_mem_table, memory_table(ram_), {ram_.fd().get()});
        front_end_->send(Request::set_inflight_fd, to_payload(notes_->description, most_inflight),
                         {notes_->file.get()});
        start(0, receive_, receive_fds_);
        start(1, transmit_, transmit_fds_);
        // Whatever came before it is done when it is answered.
        front_end_->send(Request::get_features);
        await_with_fd(front_end_->fd());
    }
    void disconnect() { front_end_.reset(); }

    /// Sends a frame with this number, if there is room.
    bool send(std::uint32_t number) {
        if (sent_.size() >= size / 2) {
            return false;
        }
        std::vector<std::byte> frame = pattern(60);
        std::memcpy(frame.data() + 14, &number, sizeof number);
        const auto offered = transmit_.chain().readable(NetHeaderBytes{}).readable(frame).offer();
        sent_[offered.head] = number;
        transmit_fds_.kick.signal();
        return true;
    }
    /// Takes what came back: numbers of frames returned, numbers of frames reflected.
    void collect(std::vector<std::uint32_t>& returned, std::vector<std::uint32_t>& reflected) {
        while (const auto used = transmit_.take_used()) {
            const auto found = sent_.find(static_cast<std::uint16_t>(used->head));
            REQUIRE(found != sent_.end());  // once, and no more
            returned.push_back(found->second);
            sent_.erase(found);
        }
        while (const auto used = receive_.take_used()) {
            const auto found = buffers_.find(static_cast<std::uint16_t>(used->head));
            REQUIRE(found != buffers_.end());
            REQUIRE(used->length == 72);
            std::uint32_t number = 0;
            std::memcpy(&number, ram_.at(found->second) + 12 + 14, sizeof number);
            reflected.push_back(number);
            buffers_.erase(found);
            --receive_posted_;
            post_buffer();
        }
    }
    /// Numbers of frames that were sent and not returned, in their order.
    std::vector<std::uint32_t> out() const {
        std::vector<std::uint32_t> numbers;
        for (const auto& [head, number] : sent_) {
            numbers.push_back(number);
        }
        std::ranges::sort(numbers);
        return numbers;
    }

  private:
    void post_buffer() {
        const auto offered = receive_.chain().writable(100).offer();
        buffers_[offered.head] = offered.pieces.front().address;
        ++receive_posted_;
        receive_fds_.kick.signal();
    }
    void start(std::uint32_t index, const Driver& driver, const QueueEvents& events) {
        front_end_->send_value(Request::set_vring_num, VringState{index, driver.size()});
        // What a front end knows that was told nothing by the one that died.
        front_end_->send_value(Request::set_vring_base,
                               VringState{index, packed ? PackedRing::initial_base : 0});
        front_end_->send_value(Request::set_vring_addr, ring_address(index, driver.addresses()));
        front_end_->send_value(Request::set_vring_call, std::uint64_t{index}, {events.call.fd()});
        // Before it starts: what a ring has to send that is not enabled goes nowhere.
        front_end_->send_value(Request::set_vring_enable, VringState{index, 1});
        front_end_->send_value(Request::set_vring_kick, std::uint64_t{index}, {events.kick.fd()});
    }

    std::string socket_;
    EventLoop loop_;  // serves nothing: the other side is a process
    GuestRam ram_{{{GuestRam::default_base, 0x2000000}}};
    Driver receive_{ram_, size};
    Driver transmit_{ram_, size};
    QueueEvents receive_fds_;
    QueueEvents transmit_fds_;
    std::optional<Notes> notes_;
    std::optional<FakeFrontEnd> front_end_;
    std::map<std::uint16_t, std::uint32_t> sent_;
    std::map<std::uint16_t, GuestAddress> buffers_;
    std::size_t receive_posted_ = 0;
};

template <typename Condition>
bool within_seconds(int seconds, Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        ::usleep(500);
    }
    return true;
}

template <typename Driver>
void killed_in_the_middle_of_traffic() {
    const TemporaryDirectory directory;
    Survivor<Driver> guest(directory / "s");
    std::vector<std::uint32_t> returned;
    std::vector<std::uint32_t> reflected;
    std::uint32_t number = 0;
    constexpr int lives = 8;
    for (int life = 0; life < lives; ++life) {
        Program nic({"--socket", directory / "s", "--wire", "reflect", "--seed",
                     std::to_string(life + 1), "--fault", "never_used,p=0.3"},
                    directory / "log");
        INFO(content(directory / "log"));
        REQUIRE(nic.ready());
        guest.connect();
        // Until what is never returned has filled most of its half of the ring.
        const std::size_t before = returned.size();
        REQUIRE(within_seconds(10, [&] {
            while (guest.send(number)) {
                ++number;
            }
            guest.collect(returned, reflected);
            return returned.size() > before + static_cast<std::size_t>(5 + life) ||
                   guest.out().size() >= 32;
        }));
        nic.signal(SIGKILL);
        CHECK(nic.wait() == -SIGKILL);
        guest.disconnect();
        guest.collect(returned, reflected);
    }
    const std::vector<std::uint32_t> stuck = guest.out();
    REQUIRE_FALSE(stuck.empty());
    reflected.clear();

    // The last one has no faults.
    Program nic({"--socket", directory / "s", "--wire", "reflect"}, directory / "log");
    REQUIRE(nic.ready());
    guest.connect();
    CHECK(within_seconds(10, [&] {
        guest.collect(returned, reflected);
        return guest.out().empty() && reflected.size() >= stuck.size();
    }));
    INFO(content(directory / "log"));
    CHECK(reflected == stuck);  // each once, in the order in which they were sent
    while (guest.send(number)) {
        ++number;
    }
    CHECK(within_seconds(10, [&] {
        guest.collect(returned, reflected);
        return guest.out().empty();
    }));
    // Every frame that was ever sent came back to its driver exactly once.
    std::ranges::sort(returned);
    std::vector<std::uint32_t> all(number);
    for (std::uint32_t i = 0; i < number; ++i) {
        all[i] = i;
    }
    CHECK(returned == all);
    nic.signal(SIGTERM);
    CHECK(nic.wait() == 0);
}

}  // namespace

TEST_CASE("inflight: a back end killed in the middle of traffic, split rings",
          "[device][vhost_user][inflight][program]") {
    killed_in_the_middle_of_traffic<FakeDriver>();
}

TEST_CASE("inflight: a back end killed in the middle of traffic, packed rings",
          "[device][vhost_user][inflight][program]") {
    killed_in_the_middle_of_traffic<FakePackedDriver>();
}
