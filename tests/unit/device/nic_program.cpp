// The command line, the socket file, and the program as others start it.

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/options.h"
#include "device/vhost_user/listener.h"
#include "tests/places.h"
#include "tests/unit/device/contains.h"
#include "tests/unit/device/guest_ram.h"
#include "tests/unit/device/nic_child.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using skbtrail::device::vhost_user::Listener;
using skbtrail::tests::built_program;
using namespace std::chrono_literals;

namespace {

std::variant<NicOptions, EarlyExit> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "skbtrail-nic");
    return parse_options(static_cast<int>(words.size()), words.data());
}

std::string refused(const std::vector<const char*>& words) {
    auto parsed = parse(words);
    REQUIRE(std::holds_alternative<EarlyExit>(parsed));
    CHECK(std::get<EarlyExit>(parsed).status == 64);
    return std::get<EarlyExit>(parsed).message;
}

bool can_connect(const std::string& path) {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

TEST_CASE("options: what is said and what is meant", "[device][options]") {
    const auto parsed =
        parse({"--socket", "/tmp/s", "--wire", "reflect", "--features", "-mrg_rxbuf,+host_tso4",
               "--capture", "c", "--events", "e", "--log-level", "debug", "--ready-fd", "3",
               "--exit-with-parent", "--once", "--serve-config", "--mac", "52:54:00:12:34:56"});
    REQUIRE(std::holds_alternative<NicOptions>(parsed));
    const auto& options = std::get<NicOptions>(parsed);
    CHECK(options.socket == "/tmp/s");
    CHECK(options.wire == "reflect");
    CHECK(options.features.remove == feature_mrg_rxbuf);
    CHECK(options.features.add == feature_host_tso4);
    CHECK(options.capture == "c");
    CHECK(options.events == "e");
    CHECK(options.log_level == spdlog::level::debug);
    CHECK(options.ready_fd == 3);
    CHECK(options.exit_with_parent);
    CHECK(options.once);
    REQUIRE(options.mac);
    CHECK((*options.mac)[5] == std::byte{0x56});

    const auto least = std::get<NicOptions>(parse({"--socket", "s"}));
    CHECK(least.wire == "nat");
    CHECK_FALSE(least.ready_fd);
    CHECK(least.capture.empty());
}

TEST_CASE("options: the help teaches", "[device][options]") {
    const auto parsed = parse({"--help"});
    REQUIRE(std::holds_alternative<EarlyExit>(parsed));
    const auto& help = std::get<EarlyExit>(parsed);
    CHECK(help.status == 0);
    for (const char* const part : {"qemu-system-x86_64", "memory-backend-memfd", "share=on",
                                   "vhost-user,id=n,chardev=c", "virtio-net-pci", "nat", "reflect",
                                   "script", "mrg_rxbuf", "--exit-with-parent", "Exit status"}) {
        INFO(part);
        CHECK(contains(help.message, part));
    }
    CHECK(contains(std::get<EarlyExit>(parse({"--version"})).message, "skbtrail-nic"));
}

TEST_CASE("options: each mistake is named", "[device][options]") {
    CHECK(contains(refused({}), "--socket"));
    CHECK(contains(refused({}), "--connect"));
    CHECK(contains(refused({"--socket"}), "--socket"));
    CHECK(contains(refused({"--socket", "s", "--connect", "c"}), "--connect"));
    CHECK(contains(refused({"--socket", "s", "--queues", "0"}), "--queues"));
    CHECK(contains(refused({"--socket", "s", "--queues", "9"}), "--queues"));
    CHECK(contains(refused({"--socket", "s", "--mtu", "67", "--serve-config"}), "--mtu"));
    CHECK(contains(refused({"--socket", "s", "--mtu", "1400"}), "--serve-config"));
    CHECK(contains(refused({"--socket", "s", "--sokcet"}), "sokcet"));
    CHECK(contains(refused({"--socket", "s", "more"}), "more"));
    CHECK(contains(refused({"--socket", "s", "--features", "mrg_rxbuf"}), "+NAME or -NAME"));
    CHECK(contains(refused({"--socket", "s", "--features", "-mrg"}), "\"mrg\"; known are"));
    CHECK(contains(refused({"--socket", "s", "--log-level", "loud"}), "loud"));
    CHECK(contains(refused({"--socket", "s", "--ready-fd", "-1"}), "ready-fd"));
    CHECK(contains(refused({"--socket", "s", "--ready-fd", "x"}), "ready-fd"));
    CHECK(contains(refused({"--socket", "s", "--mac", "x", "--serve-config"}), "\"x\""));
    CHECK(contains(refused({"--socket", "s", "--mac", "ff:ff:ff:ff:ff:ff", "--serve-config"}),
                   "one station"));
    CHECK(contains(refused({"--socket", "s", "--mac", "52:54:00:12:34:56"}), "--serve-config"));
}

TEST_CASE("options: what the device has not is refused before it starts", "[device][options]") {
    CHECK(contains(refused({"--socket", "s", "--fault", "lost_call,queue=2"}),
                   "there is no queue 2: this device has 0 to 1"));
    CHECK(contains(refused({"--socket", "s", "--queues", "4", "--fault", "lost_call,queue=99"}),
                   "there is no queue 99: this device has 0 to 7"));
    CHECK(std::holds_alternative<NicOptions>(
        parse({"--socket", "s", "--fault", "lost_call,queue=3", "--queues", "2"})));
    CHECK(
        contains(refused({"--socket", "s", "--serve-config", "--features=+mac"}), "--mac ADDRESS"));
    CHECK(std::holds_alternative<NicOptions>(parse(
        {"--socket", "s", "--serve-config", "--features=+mac", "--mac", "52:54:00:12:34:56"})));
}

TEST_CASE("listener: a private socket that goes with its owner", "[device][listener]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "s";
    {
        auto listener = Listener::open(path);
        REQUIRE(listener);
        struct stat status{};
        REQUIRE(::lstat(path.c_str(), &status) == 0);
        CHECK(S_ISSOCK(status.st_mode));
        CHECK((status.st_mode & 0777) == 0600);
        CHECK(can_connect(path));
        CHECK(must(listener->accept()).get() >= 0);
        CHECK(must(listener->accept()).get() < 0);
        // Moved, it is still one.
        const Listener moved = std::move(*listener);
        listener = tl::make_unexpected(Failure{""});
        CHECK(std::filesystem::exists(path));
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("listener: what is at the path already", "[device][listener]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "s";
    SECTION("a socket that somebody listens to") {
        const auto first = Listener::open(path);
        const auto second = Listener::open(path);
        REQUIRE_FALSE(second);
        CHECK(contains(second.error().message, "another process listens"));
        CHECK(can_connect(path));
    }
    SECTION("a socket whose process was killed") {
        const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        const auto listener = Listener::open(path);
        REQUIRE(listener);
        CHECK(can_connect(path));
    }
    SECTION("a file that is no socket") {
        std::ofstream(path) << "precious";
        const auto listener = Listener::open(path);
        REQUIRE_FALSE(listener);
        CHECK(contains(listener.error().message, "is no socket"));
        CHECK(content(path) == "precious");
    }
    SECTION("a socket that replaced ours is left alone") {
        auto listener = Listener::open(path);
        std::filesystem::remove(path);
        const auto other = Listener::open(path);
        REQUIRE(other);
        listener = tl::make_unexpected(Failure{""});
        CHECK(can_connect(path));
    }
}

TEST_CASE("listener: paths that cannot be", "[device][listener]") {
    const TemporaryDirectory directory;
    CHECK(contains(Listener::open(directory / std::string(120, 'x')).error().message, "107"));
    CHECK(contains(Listener::open("").error().message, "107"));
    CHECK(contains(Listener::open(directory / "no/such").error().message, "No such file"));
}

TEST_CASE("program: ready, ended by a signal, nothing left", "[device][program]") {
    for (const int number : {SIGTERM, SIGINT}) {
        const TemporaryDirectory directory;
        Program nic({"--socket", directory / "s", "--wire", "reflect", "--events", directory / "e",
                     "--capture", directory / "c"},
                    directory / "log");
        REQUIRE(nic.ready());
        CHECK(can_connect(directory / "s"));
        nic.signal(number);
        CHECK(nic.wait() == 0);
        CHECK_FALSE(std::filesystem::exists(directory / "s"));
        CHECK(std::filesystem::exists(directory / "e"));
        CHECK(std::filesystem::file_size(directory / "c") == 104);  // headers, no frames
    }
}

TEST_CASE("program: after SIGKILL the next one takes the socket", "[device][program]") {
    const TemporaryDirectory directory;
    Program first({"--socket", directory / "s", "--wire", "reflect"}, directory / "log");
    REQUIRE(first.ready());
    {
        Program second({"--socket", directory / "s", "--wire", "reflect"}, directory / "log2");
        CHECK_FALSE(second.ready());
        CHECK(second.wait() == 2);
        CHECK(contains(content(directory / "log2"), "another process listens"));
    }
    first.signal(SIGKILL);
    CHECK(first.wait() == -SIGKILL);
    CHECK(std::filesystem::exists(directory / "s"));
    Program third({"--socket", directory / "s", "--wire", "reflect"}, directory / "log3");
    REQUIRE(third.ready());
    CHECK(can_connect(directory / "s"));
    third.signal(SIGTERM);
    CHECK(third.wait() == 0);
}

TEST_CASE("program: what it cannot do it says", "[device][program]") {
    const TemporaryDirectory directory;
    struct Wrong {
        std::vector<std::string> arguments;
        int status;
        const char* says;
    };
    const std::vector<Wrong> all = {
        {{"--wire", "reflect"}, 64, "--socket or --connect says where"},
        {{"--socket", directory / "s", "--wire", "nta"}, 64, "nta"},
        {{"--socket", directory / "s", "--wire", "reflect", "--features", "+status"},
         2,
         "status cannot be offered here"},
        {{"--socket", directory / "no/s", "--wire", "reflect"}, 2, "cannot listen at"},
        {{"--socket", directory / "s", "--wire", "reflect", "--events", "/no/e"},
         2,
         "cannot write ring events to /no/e"},
        {{"--socket", directory / "s", "--wire", "reflect", "--capture", "/no/c"}, 2, "/no/c"},
    };
    for (const Wrong& wrong : all) {
        DYNAMIC_SECTION(wrong.says) {
            Program nic(wrong.arguments, directory / "log");
            CHECK_FALSE(nic.ready());
            CHECK(nic.wait() == wrong.status);
            INFO(content(directory / "log"));
            CHECK(contains(content(directory / "log"), wrong.says));
            CHECK_FALSE(std::filesystem::exists(directory / "s"));
        }
    }
}

TEST_CASE("program: --once ends with the front end", "[device][program]") {
    const TemporaryDirectory directory;
    Program nic(
        {"--socket", directory / "s", "--wire", "reflect", "--once", "--fault", "drop,p=0.5"},
        directory / "log");
    REQUIRE(nic.ready());
    CHECK(can_connect(directory / "s"));  // and leaves at once
    CHECK(nic.wait() == 0);
    std::ifstream log(directory / "log");
    const std::string said{std::istreambuf_iterator<char>(log), {}};
    CHECK(contains(said, "wire: from the guest 0 frames"));
    CHECK(contains(said, "fault 1: drop,p=0.5, struck 0 of 0 times, 0 of them without effect"));
}

TEST_CASE("program: --exit-with-parent, also when the parent is killed", "[device][program]") {
    const TemporaryDirectory directory;
    // Orphans of the middle process come to us, so that their end can be waited for.
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    const std::string socket = directory / "s";
    const std::string log = directory / "log";
    const pid_t middle = ::fork();
    if (middle == 0) {
        Program nic({"--socket", socket, "--wire", "reflect", "--exit-with-parent"}, log);
        const bool ready = nic.ready();
        const pid_t pid = ready ? nic.pid() : -1;
        [[maybe_unused]] const auto told = ::write(writer.get(), &pid, sizeof pid);
        ::pause();
        ::_exit(0);
    }
    pid_t nic = -1;
    REQUIRE(::read(reader.get(), &nic, sizeof nic) == sizeof nic);
    REQUIRE(nic > 0);
    ::kill(middle, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(middle, &status, 0) == middle);
    REQUIRE(::waitpid(nic, &status, 0) == nic);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK_FALSE(std::filesystem::exists(socket));
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("program: confined, and commanded from another process", "[device][program]") {
    const TemporaryDirectory directory;
    const std::string control = directory / "control";
    Program nic({"--socket", directory / "s", "--wire", "reflect", "--control", control, "--events",
                 "unix:" + (directory / "events"), "--fault", "drop,p=0.5"},
                directory / "log");
    REQUIRE(nic.ready());
    const std::string status = content("/proc/" + std::to_string(nic.pid()) + "/status");
    CHECK(contains(status, "NoNewPrivs:\t1"));
    CHECK(contains(status, "Seccomp:\t2"));
    CHECK(contains(status, "CapEff:\t0000000000000000"));
    const auto ctl = [&](const std::string& words) {
        const std::string command =
            built_program("skbtrail-nic") + " ctl " + control + " " + words + " 2>&1";
        std::string said;
        std::FILE* const pipe = ::popen(command.c_str(), "r");
        REQUIRE(pipe != nullptr);
        std::array<char, 4096> piece{};
        while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe)) {
            said.append(piece.data(), got);
        }
        return std::pair(WEXITSTATUS(::pclose(pipe)), said);
    };
    CHECK(ctl("state").first == 0);
    CHECK(contains(ctl("state").second, "queue 1 (transmit): stopped"));
    CHECK(contains(ctl("state --json").second, "\"seed\": 1"));
    CHECK(contains(ctl("fault list").second, "\"fault\":\"drop,p=0.5\""));
    CHECK(contains(ctl("metrics").second, "# TYPE skbtrail_wire_frames_total counter"));
    CHECK(ctl("break add queue=1 length\\>=100").second == "{\"number\":1}\n");
    CHECK(ctl("pause 9") == std::pair(1, std::string("skbtrail-nic ctl: there is no queue 9: this "
                                                     "device has 0 to 1\n")));
    CHECK(ctl("stat").first == 64);
    CHECK(ctl("").first == 64);
    nic.signal(SIGTERM);
    CHECK(nic.wait() == 0);
    CHECK_FALSE(std::filesystem::exists(control));
    CHECK(ctl("state").first == 2);
    // Nothing that it did was refused.
    CHECK_FALSE(contains(content(directory / "log"), "sandbox"));
}

TEST_CASE("program: faults that make no sense are named", "[device][program]") {
    CHECK(contains(refused({"--socket", "s", "--fault", "dorp"}), "did you mean \"drop\"?"));
    CHECK(contains(refused({"--socket", "s", "--seed", "x"}), "seed"));
    const auto options =
        std::get<NicOptions>(parse({"--socket", "s", "--fault", "drop", "--fault", "delay,time=5ms",
                                    "--seed", "9", "--control", "c", "--no-sandbox"}));
    CHECK(options.faults.size() == 2);
    CHECK(options.seed == 9);
    CHECK(options.control == "c");
    CHECK_FALSE(options.sandbox);
    CHECK(std::get<NicOptions>(parse({"--socket", "s"})).sandbox);
}

TEST_CASE("program: asleep when there is nothing to do", "[device][program]") {
    const TemporaryDirectory directory;
    Program nic({"--socket", directory / "s", "--wire", "nat"}, directory / "log");
    REQUIRE(nic.ready());
    const auto switches = [&] {
        std::ifstream file("/proc/" + std::to_string(nic.pid()) + "/status");
        long total = 0;
        for (std::string line; std::getline(file, line);) {
            if (contains(line, "ctxt_switches")) {
                total += std::stol(line.substr(line.find('\t')));
            }
        }
        return total;
    };
    std::this_thread::sleep_for(50ms);
    const long before = switches();
    std::this_thread::sleep_for(300ms);
    CHECK(switches() - before <= 1);
    nic.signal(SIGTERM);
    CHECK(nic.wait() == 0);
}
