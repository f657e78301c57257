// The connecting side: a front end that listens.

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace std::chrono_literals;

namespace {

/// A device that connects to `path`.
struct ConnectingBackEnd {
    TemporaryDirectory directory;
    std::string path = directory / "front.sock";
    EventLoop loop;
    BenchWire wire;
    NetDevice device{loop, wire, NetDeviceOptions{.features = possible_features({})}, nullptr, {}};
    int left = 0;
    Server server{loop, path, device, device, {}, [this] { ++left; }};

    /// Turns the loop until `done`, for 5 seconds at most.
    template <typename Condition>
    bool until(Condition done) {
        const auto deadline = EventLoop::Clock::now() + 5s;
        while (!done()) {
            if (EventLoop::Clock::now() > deadline) {
                return false;
            }
            loop.turn(20ms);
        }
        return true;
    }
};

UniqueFd listen_at(const std::string& path) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket.get(), 1) != 0) {
        throw std::runtime_error("listen");
    }
    return socket;
}

/// Whether the back end answers on this connection.
bool answers(EventLoop& loop, int socket) {
    send_raw(socket, encode(static_cast<std::uint32_t>(Request::get_features), {}));
    while (loop.turn(0ms)) {
    }
    std::array<std::byte, sizeof(Header) + 8> reply{};
    return ::recv(socket, reply.data(), reply.size(), MSG_DONTWAIT) ==
           static_cast<ssize_t>(reply.size());
}

}  // namespace

TEST_CASE("connect: waits for a front end, and comes back after it has left",
          "[device][vhost_user][connect]") {
    ConnectingBackEnd back_end;
    back_end.loop.turn(0ms);  // nobody is there yet
    CHECK_FALSE(back_end.server.serving());

    UniqueFd listener = listen_at(back_end.path);
    REQUIRE(back_end.until([&] { return back_end.server.serving(); }));
    UniqueFd first(::accept(listener.get(), nullptr, nullptr));
    REQUIRE(first);
    CHECK(answers(back_end.loop, first.get()));

    SECTION("a connection that the front end ends") {
        first.reset();
        REQUIRE(back_end.until([&] { return back_end.left == 1; }));
    }
    SECTION("a connection that we end") {
        send_raw(first.get(), encode(1, {}, 0x7));
        REQUIRE(back_end.until([&] { return back_end.left == 1; }));
    }
    SECTION("a front end whose listener goes too, and comes back") {
        listener.reset();
        ::unlink(back_end.path.c_str());
        first.reset();
        REQUIRE(back_end.until([&] { return back_end.left == 1; }));
        back_end.loop.turn(100ms);
        CHECK_FALSE(back_end.server.serving());
        listener = listen_at(back_end.path);
    }
    REQUIRE(back_end.until([&] { return back_end.server.serving(); }));
    const UniqueFd second(::accept(listener.get(), nullptr, nullptr));
    REQUIRE(second);
    CHECK(answers(back_end.loop, second.get()));
}

TEST_CASE("connect: does not hurry while nobody is there", "[device][vhost_user][connect]") {
    ConnectingBackEnd back_end;
    int turns = 0;
    const auto deadline = EventLoop::Clock::now() + 300ms;
    while (EventLoop::Clock::now() < deadline) {
        turns += back_end.loop.turn(50ms) ? 1 : 0;
    }
    CHECK(turns >= 2);
    CHECK(turns <= 5);  // after 0, 50, 150, 350 ms
}

TEST_CASE("connect: a path that is none", "[device][vhost_user][connect]") {
    EventLoop loop;
    CHECK_THROWS_AS(Connector(loop, "", [](UniqueFd) {}), std::invalid_argument);
    CHECK_THROWS_AS(Connector(loop, std::string(108, 'x'), [](UniqueFd) {}), std::invalid_argument);
}
