// Captures played to a guest.
#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <pcap/pcap.h>

#include "device/wire/factory.h"
#include "tests/unit/device/temporary_directory.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;
using test::Bytes;
using test::run_until;
using test::TemporaryDirectory;
using test::WireGuest;

namespace {

/// Writes a capture of frames 60, 61, 62 … bytes long, `gap` after each other.
void write_pcap(const std::string& path, std::size_t frames, std::chrono::nanoseconds gap,
                int link_type = DLT_EN10MB) {
    pcap_t* const pcap =
        ::pcap_open_dead_with_tstamp_precision(link_type, 65535, PCAP_TSTAMP_PRECISION_NANO);
    pcap_dumper_t* const dumper = ::pcap_dump_open(pcap, path.c_str());
    REQUIRE(dumper != nullptr);
    for (std::size_t i = 0; i < frames; ++i) {
        const auto time = std::chrono::seconds(1'700'000'000) + gap * static_cast<int>(i);
        const Bytes bytes(60 + i, std::byte(i));
        pcap_pkthdr header{};
        header.ts.tv_sec = std::chrono::floor<std::chrono::seconds>(time).count();
        header.ts.tv_usec = (time % std::chrono::seconds(1)).count();
        header.caplen = header.len = static_cast<bpf_u_int32>(bytes.size());
        ::pcap_dump(reinterpret_cast<u_char*>(dumper), &header,
                    reinterpret_cast<const u_char*>(bytes.data()));
    }
    ::pcap_dump_close(dumper);
    ::pcap_close(pcap);
}

}  // namespace

TEST_CASE("a capture is played with its times", "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    write_pcap(path, 6, std::chrono::milliseconds(100));
    EventLoop loop;
    const double speed = GENERATE(1.0, 4.0);
    const auto wire = make_wire(fmt::format("pcap,file={},speed={}", path, speed), loop);
    WireGuest guest(*wire);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    const auto start = EventLoop::Clock::now();
    guest.give_buffers(100);
    // The first at once.
    CHECK(guest.received().size() == 1);
    REQUIRE(run_until(loop, [&] { return guest.received().size() == 6; }));
    const std::chrono::duration<double> took = EventLoop::Clock::now() - start;
    CHECK(took.count() >= 0.5 / speed - 0.001);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(guest.received()[i] == Bytes(60 + i, std::byte(i)));
    }
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(150)));
    CHECK(wire->counters().to_guest.frames == 6);
}

TEST_CASE("behind a script, too, a capture without its times loses nothing", "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    write_pcap(path, 500, std::chrono::hours(1));
    std::ofstream(directory / "s.json")
        << R"({"format": "skbtrail-script", "version": 1, "steps": []})";
    EventLoop loop;
    const auto wire = make_wire(
        fmt::format("script,file={},uplink=pcap,uplink.file={},uplink.speed=max,uplink.loop=5",
                    directory / "s.json", path),
        loop);
    WireGuest guest(*wire);
    guest.give_buffers(10);
    CHECK(guest.received().size() == 10);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    guest.give_buffers(10000);
    CHECK(run_until(loop, [&] { return guest.received().size() == 2500; }));
    CHECK(wire->counters().to_guest.frames == 2500);
    CHECK(wire->counters().to_guest.dropped == 0);
}

TEST_CASE("without its times a capture waits for buffers and loses nothing", "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    write_pcap(path, 500, std::chrono::hours(1));
    EventLoop loop;
    const auto wire = make_wire(fmt::format("pcap,file={},speed=max,loop=3", path), loop);
    WireGuest guest(*wire);
    guest.give_buffers(10);
    CHECK(guest.received().size() == 10);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    guest.give_buffers(10'000);
    REQUIRE(run_until(loop, [&] { return guest.received().size() == 1500; }));
    for (std::size_t i = 0; i < 1500; ++i) {
        CHECK(guest.received()[i].size() == 60 + i % 500);
    }
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    CHECK(wire->counters().to_guest.dropped == 0);
}

TEST_CASE("with its times a capture loses what the guest has no buffers for", "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    write_pcap(path, 1200, std::chrono::nanoseconds(1));
    EventLoop loop;
    const auto wire = make_wire(fmt::format("pcap,file={}", path), loop);
    WireGuest guest(*wire);
    guest.give_buffers(10);
    REQUIRE(run_until(loop, [&] {
        return wire->counters().waiting + wire->counters().to_guest.dropped == 1190;
    }));
    CHECK(wire->counters().waiting == 1024);
    guest.give_buffers(10'000);
    CHECK(guest.received().size() == 10 + 1024);
}

TEST_CASE("a capture goes on after a pause, and has its times again", "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    write_pcap(path, 4, std::chrono::milliseconds(50));
    EventLoop loop;
    const auto wire = make_wire(fmt::format("pcap,file={}", path), loop);
    WireGuest guest(*wire);
    guest.give_buffers(100);
    wire->on_receive_stopped();
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(100)));
    CHECK(guest.received().size() == 1);
    guest.give_buffers(100);
    CHECK(guest.received().size() == 2);
    const auto start = EventLoop::Clock::now();
    REQUIRE(run_until(loop, [&] { return guest.received().size() == 4; }));
    CHECK(EventLoop::Clock::now() - start >= std::chrono::milliseconds(99));
}

TEST_CASE("a filter chooses frames", "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    write_pcap(path, 100, std::chrono::nanoseconds(1));
    EventLoop loop;
    const auto wire =
        make_wire(fmt::format("pcap,file={},speed=max,loop=forever,filter=len >= 150", path), loop);
    WireGuest guest(*wire);
    guest.give_buffers(25);
    REQUIRE(run_until(loop, [&] { return guest.received().size() == 25; }));
    for (std::size_t i = 0; i < 25; ++i) {
        CHECK(guest.received()[i].size() == 150 + i % 10);
    }
    // A filter that lets nothing through is the end, not an endless search.
    const auto none =
        make_wire(fmt::format("pcap,file={},loop=forever,filter=arp and len > 1000", path), loop);
    WireGuest nobody(*none);
    nobody.give_buffers(1);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
}

TEST_CASE("a capture that breaks off is played to there, frames cut in it are left out",
          "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    write_pcap(path, 10, std::chrono::nanoseconds(1));
    EventLoop loop;
    SECTION("breaks off") {
        std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5);
        const auto wire = make_wire(fmt::format("pcap,file={},speed=max", path), loop);
        WireGuest guest(*wire);
        guest.give_buffers(100);
        CHECK(guest.received().size() == 9);
    }
    SECTION("says that a frame was longer") {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        const std::uint32_t longer = 1000;
        file.seekp(24 + 12);  // the first frame's length on the wire
        file.write(reinterpret_cast<const char*>(&longer), sizeof longer);
        file.close();
        const auto wire = make_wire(fmt::format("pcap,file={},speed=max", path), loop);
        WireGuest guest(*wire);
        guest.give_buffers(100);
        CHECK(guest.received().size() == 9);
        CHECK(wire->counters().to_guest.dropped == 1);
    }
}

TEST_CASE("a capture that cannot be played is told with its reason", "[wire][pcap]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.pcap";
    EventLoop loop;
    CHECK_THROWS_WITH(make_wire("pcap", loop), ContainsSubstring("pcap,file=PATH"));
    CHECK_THROWS_WITH(make_wire("pcap,file=" + path, loop),
                      ContainsSubstring("No such file or directory"));
    std::ofstream(path) << "this is no capture";
    CHECK_THROWS_WITH(make_wire("pcap,file=" + path, loop),
                      ContainsSubstring("cannot read the capture"));
    write_pcap(path, 1, {}, DLT_IEEE802_11);
    CHECK_THROWS_WITH(make_wire("pcap,file=" + path, loop),
                      ContainsSubstring("its frames are IEEE802_11, not Ethernet"));
    write_pcap(path, 1, {});
    CHECK_THROWS_WITH(make_wire("pcap,file=" + path + ",filter=bananas and", loop),
                      ContainsSubstring("--wire pcap: filter=bananas and: "));
    CHECK_THROWS_WITH(make_wire("pcap,file=" + path + ",speed=0", loop),
                      ContainsSubstring("expected \"max\" or a number from 0.001 to 1000"));
    CHECK_THROWS_WITH(make_wire("pcap,file=" + path + ",loop=0", loop),
                      ContainsSubstring("expected a whole number"));
    CHECK(make_wire("pcap,file=" + path + ",speed=2", loop)->describe() ==
          "pcap " + path + ", 2 times its speed");
}

}  // namespace skbtrail::device
