// Lines to a pipe: whoever reads slowly is waited for, whoever stops is not waited for in the end.
#include "tracer/stream/line_output.h"

#include <array>
#include <csignal>
#include <string>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tracer/failure.h"

using namespace skbtrail::tracer;

namespace {

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        in = Fd(ends[0]);
        out = Fd(ends[1]);
    }
    [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}", out.get()); }
    Fd in;
    Fd out;
};

/// More than a pipe holds.
const std::string much(300'000, 'x');

}  // namespace

TEST_CASE("a slow reader gets everything") {
    Pipe pipe;
    LineOutput output(pipe.path());
    pipe.out = Fd();
    std::size_t got = 0;
    std::thread reader([&] {
        std::array<char, 1000> buffer{};
        while (got < much.size()) {
            const auto count = ::read(pipe.in.get(), buffer.data(), buffer.size());
            if (count <= 0) break;
            got += static_cast<std::size_t>(count);
        }
    });
    output.write(much);
    reader.join();
    CHECK(got == much.size());
    CHECK(output.written() == much.size());
    CHECK(output.unread() == 0);
}

TEST_CASE("a reader that has stopped is waited for until the end, and no longer") {
    Pipe pipe;
    LineOutput output(pipe.path());
    std::thread writer([&] {
        output.write(much);
        output.write("more");
    });
    output.hurry();
    writer.join();
    CHECK(output.written() > 0);
    CHECK(output.written() + output.unread() == much.size() + 4);
    CHECK_FALSE(output.closed());
}

TEST_CASE("a reader that has gone is no failure; a full disk is") {
    std::signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    LineOutput output(pipe.path());
    pipe.in = Fd();
    output.write("line\n");
    CHECK(output.closed());
    LineOutput full("/dev/full");
    CHECK_THROWS_AS(full.write("line\n"), Failure);
    CHECK_THROWS_AS(LineOutput("/nonexistent/x"), Failure);
}
