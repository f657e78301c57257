// What a wire needs of the system while it runs it gets inside the sandbox too, alone or behind
// another wire.

#include <array>
#include <csignal>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fmt/format.h>
#include <poll.h>

#include "tests/unit/device/nat_guest.h"
#include "tests/unit/device/nic_child.h"
#include "tests/unit/device/program_wire.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

bool readable(int fd) {
    pollfd state{fd, POLLIN, 0};
    return ::poll(&state, 1, 10'000) == 1;
}

}  // namespace

TEST_CASE("program: a confined nat carries a TCP connection, alone and behind a script",
          "[device][program][nat]") {
    const TemporaryDirectory directory;
    const std::string script = directory / "script.json";
    std::ofstream(script) << R"({"format": "skbtrail-script", "version": 1, "uplink": "nat",
                                 "steps": []})";
    const std::string spec = fmt::format(
        fmt::runtime(GENERATE("nat", "script,file={}", "script,uplink=nat,uplink.ipv6=on,file={}")),
        script);
    INFO(spec);
    HostSocket server(SOCK_STREAM);
    REQUIRE(::listen(server.fd.get(), 1) == 0);
    Program nic({"--socket", directory / "s", "--wire", spec, "--fault", "drop,p=0"},
                directory / "log");
    REQUIRE(nic.ready());
    EventLoop loop;
    ProgramWire wire(loop, directory / "s");
    WireGuest guest(wire);
    const auto seen = [&](int flags, const std::string& text = "") {
        wire.poll();
        return guest.find<Tins::TCP>([&](const Tins::TCP& tcp) {
            const auto* raw = tcp.find_pdu<Tins::RawPDU>();
            return (tcp.flags() & flags) == flags &&
                   (text.empty() || (raw != nullptr && std::string(raw->payload().begin(),
                                                                   raw->payload().end()) == text));
        });
    };
    guest.send(arp_request());
    guest.send(tcp_to(server.port, Tins::TCP::SYN, 100, 0));
    REQUIRE(run_until(loop, [&] { return seen(Tins::TCP::SYN | Tins::TCP::ACK) != nullptr; }));
    const std::uint32_t theirs =
        seen(Tins::TCP::SYN | Tins::TCP::ACK)->find_pdu<Tins::TCP>()->seq() + 1;
    guest.send(tcp_to(server.port, Tins::TCP::ACK, 101, theirs, "hello"));
    REQUIRE(readable(server.fd.get()));
    const UniqueFd connection(::accept4(server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(connection);
    std::array<char, 8> said{};
    REQUIRE(readable(connection.get()));
    REQUIRE(::recv(connection.get(), said.data(), said.size(), 0) == 5);
    CHECK(std::string(said.data()) == "hello");
    REQUIRE(::send(connection.get(), "world", 5, 0) == 5);
    CHECK(run_until(loop, [&] { return seen(Tins::TCP::ACK, "world") != nullptr; }));

    nic.signal(SIGTERM);
    CHECK(nic.wait() == 0);
    const std::string log = content(directory / "log");
    INFO(log);
    CHECK(log.find("sandbox") == std::string::npos);
}
