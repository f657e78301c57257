// Several NICs on one switch.
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "device/unique_fd.h"
#include "device/wire/hub.h"
#include "device/wire/hub_message.h"
#include "tests/unit/device/no_descriptors.h"
#include "tests/unit/device/temporary_directory.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using test::Bytes;
using test::run_until;
using test::TemporaryDirectory;
using test::WireGuest;

namespace {

constexpr std::array hub_path_option{WireOption{"path", "", ""}};

/// A NIC and its guest, with the station 02:00:00:00:00:NUMBER.
struct Station {
    Station(EventLoop& loop, const std::string& path, std::uint8_t given_number)
        : number(given_number),
          wire(WireOptions(parse_wire_spec("hub,path=" + path), hub_path_option), loop),
          guest(wire) {}

    /// A frame of 60 bytes, told apart by its mark.
    Bytes frame_to(std::uint8_t to, std::uint8_t mark) const {
        Bytes frame(60);
        frame[0] = std::byte(to == 0xff ? 0xff : 2);
        for (std::size_t i = 1; i < 6; ++i) {
            frame[i] = std::byte(to == 0xff ? 0xff : 0);
        }
        frame[5] = std::byte(to);
        frame[6] = std::byte{2};
        frame[11] = std::byte(number);
        frame[59] = std::byte(mark);
        return frame;
    }
    void send(std::uint8_t to, std::uint8_t mark) { guest.send(frame_to(to, mark)); }
    std::string marks() const {
        std::string text;
        for (const auto& frame : guest.received()) {
            text += static_cast<char>(frame.back());
        }
        return text;
    }

    std::uint8_t number;
    HubWire wire;
    WireGuest guest;
};

constexpr std::uint8_t all = 0xff;

void settle(EventLoop& loop) {
    while (loop.turn(std::chrono::milliseconds(10))) {
    }
}

std::size_t files_in(const std::string& path) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path),
                                                  std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("the NICs of a hub are one switch", "[wire][hub]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "hub";
    EventLoop loop;
    Station a(loop, path, 1);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    for (const auto& socket : std::filesystem::directory_iterator(path)) {
        REQUIRE(::stat(socket.path().c_str(), &status) == 0);
        CHECK(S_ISSOCK(status.st_mode));
        CHECK((status.st_mode & 0777) == 0600);
    }
    CHECK(files_in(path) == 1);
    Station b(loop, path, 2);
    Station c(loop, path, 3);
    settle(loop);
    CHECK(a.wire.neighbours() == 2);
    CHECK(b.wire.neighbours() == 2);
    CHECK(c.wire.neighbours() == 2);

    a.send(all, 'x');
    settle(loop);
    CHECK(a.marks().empty());
    CHECK(b.marks() == "x");
    CHECK(c.marks() == "x");
    // Nobody has heard of c yet.
    a.send(3, 'y');
    settle(loop);
    CHECK(b.marks() == "xy");
    CHECK(c.marks() == "xy");
    c.send(1, 'z');
    settle(loop);
    CHECK(a.marks() == "z");
    CHECK(b.marks() == "xy");
    a.send(3, '!');
    settle(loop);
    CHECK(b.marks() == "xy");
    CHECK(c.marks() == "xy!");
    CHECK(b.guest.received().front() == a.frame_to(all, 'x'));
    CHECK(a.wire.counters().from_guest.frames == 3);
    CHECK(a.wire.counters().from_guest.dropped == 0);
}

TEST_CASE("a hub survives the leaving of any, and late comers find it", "[wire][hub]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "hub";
    EventLoop loop;
    auto first = std::make_unique<Station>(loop, path, 1);
    Station b(loop, path, 2);
    Station c(loop, path, 3);
    settle(loop);
    first->send(all, '1');
    settle(loop);
    first.reset();
    settle(loop);
    CHECK(b.wire.neighbours() == 1);
    // For who is gone: to all again, and nobody is hurt.
    b.send(1, '2');
    settle(loop);
    CHECK(c.marks() == "12");
    Station d(loop, path, 4);
    settle(loop);
    CHECK(d.wire.neighbours() == 2);
    d.send(all, '3');
    settle(loop);
    CHECK(b.marks() == "13");
    CHECK(c.marks() == "123");
    CHECK(files_in(path) == 3);
}

TEST_CASE("what a killed NIC leaves behind is removed", "[wire][hub]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "hub";
    std::filesystem::create_directory(path);
    {
        const UniqueFd dead(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string name = path + "/1-0.nic";
        std::copy(name.begin(), name.end(), address.sun_path);
        REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(dead.get(), 1) == 0);
    }
    CHECK(files_in(path) == 1);
    EventLoop loop;
    {
        const Station a(loop, path, 1);
        CHECK(files_in(path) == 1);
        CHECK_FALSE(std::filesystem::exists(path + "/1-0.nic"));
    }
    CHECK(files_in(path) == 0);
}

TEST_CASE("a hub carries what was left undone in a frame", "[wire][hub]") {
    const TemporaryDirectory directory;
    EventLoop loop;
    Station a(loop, directory / "hub", 1);
    Station b(loop, directory / "hub", 2);
    settle(loop);
    CHECK(a.wire.takes_segments(gso_tcp4));
    Bytes large = a.frame_to(2, 0);
    large.resize(65'549);
    const FrameOffload offload{.needs_checksum = true,
                               .data_valid = false,
                               .checksum_start = 34,
                               .checksum_offset = 16,
                               .gso_type = gso_tcp4,
                               .gso_size = 1448,
                               .header_length = 54};
    a.wire.transmit(Frame{large, offload});
    REQUIRE(run_until(loop, [&] { return !b.guest.received().empty(); }));
    CHECK(b.guest.received()[0] == large);
    const FrameOffload& came = b.guest.offloads()[0];
    CHECK(came.needs_checksum);
    CHECK(came.checksum_start == 34);
    CHECK(came.checksum_offset == 16);
    CHECK(came.gso_type == gso_tcp4);
    CHECK(came.gso_size == 1448);
    CHECK(came.header_length == 54);
}

TEST_CASE("a neighbour without buffers loses frames, and holds up nobody", "[wire][hub]") {
    const TemporaryDirectory directory;
    EventLoop loop;
    Station a(loop, directory / "hub", 1);
    auto slow = std::make_unique<Station>(loop, directory / "hub", 2);
    Station c(loop, directory / "hub", 3);
    settle(loop);
    slow->guest.take_buffers();
    constexpr std::size_t frames = 20'000;
    for (std::size_t i = 0; i < frames; ++i) {
        a.send(all, 'x');
        loop.turn(std::chrono::milliseconds(0));
    }
    settle(loop);
    CHECK(c.guest.received().size() == frames);
    const auto lost = a.wire.counters().from_guest.dropped;
    CHECK(lost > 0);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));

    SECTION("gets the others when it has some") {
        slow->guest.give_buffers(1'000'000);
        settle(loop);
        CHECK(slow->guest.received().size() + lost == frames);
    }
    SECTION("gets those of one that has left, too") {
        {
            Station d(loop, directory / "hub", 4);
            settle(loop);
            d.send(2, 'd');
            d.send(all, 'e');
        }
        settle(loop);
        CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
        slow->guest.give_buffers(1'000'000);
        settle(loop);
        CHECK(slow->marks().find('d') != std::string::npos);
        CHECK(slow->marks().find('e') != std::string::npos);
        CHECK(slow->wire.neighbours() == 2);
    }
}

TEST_CASE("who is no NIC is turned away, and lies are counted", "[wire][hub]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "hub";
    EventLoop loop;
    Station a(loop, path, 1);
    const auto connect = [&] {
        const std::string name = std::filesystem::directory_iterator(path)->path();
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::copy(name.begin(), name.end(), address.sun_path);
        UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        return fd;
    };
    const auto say = [](const UniqueFd& fd, const auto& bytes) {
        REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    };
    const UniqueFd stranger = connect();
    say(stranger, std::string("hello"));
    settle(loop);
    CHECK(a.wire.neighbours() == 0);
    std::array<char, 100> buffer{};
    CHECK(::recv(stranger.get(), buffer.data(), buffer.size(), 0) ==
          static_cast<ssize_t>(hub_greeting.size()));
    CHECK(::recv(stranger.get(), buffer.data(), buffer.size(), 0) == 0);

    const UniqueFd liar = connect();
    say(liar, hub_greeting);
    settle(loop);
    CHECK(a.wire.neighbours() == 1);
    /// A header of these fields and a frame of so many bytes.
    struct Said {
        std::uint8_t flags = 0;
        std::uint8_t gso_type = 0;
        std::uint16_t gso_size = 0;
        std::uint16_t checksum_start = 0;
        std::uint16_t checksum_offset = 0;
    };
    const auto message = [](const Said& said, std::size_t size) {
        VnetHeader header{};
        header.flags = said.flags;
        header.gso_type = said.gso_type;
        header.gso_size = said.gso_size;
        header.checksum_start = said.checksum_start;
        header.checksum_offset = said.checksum_offset;
        Bytes bytes(sizeof header + size);
        std::memcpy(bytes.data(), &header, sizeof header);
        return bytes;
    };
    say(liar, message({}, 13));
    say(liar, message({1, 0, 0, 50, 9}, 60));
    say(liar, message({1, gso_tcp4, 0, 0, 0}, 60));
    say(liar, message({0, gso_tcp4, 1448, 0, 0}, 60));
    say(liar, message({}, longest_hub_frame + 1));
    say(liar, Bytes(3));
    settle(loop);
    CHECK(a.guest.received().empty());
    CHECK(a.wire.counters().to_guest.dropped == 6);
    say(liar, message({1, 0, 0, 50, 8}, 60));
    settle(loop);
    CHECK(a.guest.received().size() == 1);
}

TEST_CASE("stations are forgotten after a while, and there is a bound", "[wire][hub]") {
    HubMacTable table;
    const auto start = HubMacTable::Clock::now();
    const auto station = [](unsigned number) {
        MacAddress mac;
        mac.octets = {
            2, 0, 0, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
        return mac;
    };
    table.learn(station(1), 7, start);
    CHECK(table.find(station(1), start) == 7);
    CHECK(table.find(station(2), start) == std::nullopt);
    table.learn(station(1), 8, start);  // has moved
    CHECK(table.find(station(1), start) == 8);
    CHECK(table.find(station(1), start + HubMacTable::lifetime) == 8);
    CHECK(table.find(station(1), start + HubMacTable::lifetime * 2) == std::nullopt);
    table.learn(*MacAddress::parse("ff:ff:ff:ff:ff:ff"), 9, start);
    CHECK(table.size() == 1);
    for (unsigned i = 0; i < 20'000; ++i) {
        table.learn(station(i), 1, start);
    }
    CHECK(table.size() == HubMacTable::most_stations);
    // It is not searched for each address that somebody invents, but again after a while.
    const auto searched = start + HubMacTable::lifetime;
    table.learn(station(30'000), 2, searched);
    table.learn(station(30'000), 2, searched + HubMacTable::removal_interval / 2);
    CHECK(table.find(station(30'000), searched) == std::nullopt);
    table.learn(station(30'000), 2, searched + HubMacTable::removal_interval);
    CHECK(table.size() == 1);
    table.forget(2);
    CHECK(table.size() == 0);
}

TEST_CASE("a hub that cannot be joined is told with its reason", "[wire][hub]") {
    EventLoop loop;
    CHECK_THROWS_WITH(HubWire(WireOptions(parse_wire_spec("hub"), hub_path_option), loop),
                      Catch::Matchers::ContainsSubstring("hub,path=DIRECTORY"));
    CHECK_THROWS_WITH(
        HubWire(WireOptions(parse_wire_spec("hub,path=/no/such/place"), hub_path_option), loop),
        Catch::Matchers::ContainsSubstring(
            "cannot join \"/no/such/place\": No such file or directory"));
}

TEST_CASE("a NIC that finds no descriptor for another lets it in later", "[wire][hub]") {
    const TemporaryDirectory directory;
    EventLoop loop;
    Station first(loop, directory / "hub", 1);
    Station second(loop, directory / "hub", 2);
    {
        const test::NoDescriptors none;
        int turns = 0;
        run_until(loop, [&] { return ++turns > 1000; }, std::chrono::milliseconds(100));
        CHECK(turns < 100);  // it does not try again and again
        CHECK(first.wire.neighbours() == 0);
    }
    CHECK(run_until(loop,
                    [&] { return first.wire.neighbours() == 1 && second.wire.neighbours() == 1; }));
    second.send(1, 'x');
    CHECK(run_until(loop, [&] { return first.marks() == "x"; }));
}

}  // namespace skbtrail::device
