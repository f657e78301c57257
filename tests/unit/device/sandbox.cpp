// The sandbox: what a NIC inside can still do, and what it cannot. Each try is in a child, because
// there is no way out.

#include "device/sandbox.h"

#include <array>
#include <cerrno>
#include <functional>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "tests/unit/device/contains.h"

using namespace skbtrail::device;
using skbtrail::device::test::contains;

namespace {

struct Outcome {
    int result;        ///< of the try
    std::string said;  ///< on stderr
};

/// What `attempt` returns (0 to 255) inside a sandbox.
Outcome inside(const SandboxNeeds& needs, const std::function<int()>& attempt) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(writer.get(), STDERR_FILENO);
        if (!enter_sandbox(needs)) {
            ::_exit(250);
        }
        ::_exit(attempt());
    }
    writer.reset();
    std::string said;
    std::array<char, 512> piece{};
    for (ssize_t got = 0; (got = ::read(reader.get(), piece.data(), piece.size())) > 0;) {
        said.append(piece.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO(said);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) != 250);
    return {WEXITSTATUS(status), said};
}

/// 0 when a call gave a descriptor, else errno.
int error_of(int result) {
    return result >= 0 ? 0 : errno;
}

}  // namespace

TEST_CASE("sandbox: files, sockets and programs are refused, and that is said once",
          "[device][sandbox]") {
    const auto file = inside({}, [] {
        for (int i = 0; i < 3; ++i) {
            if (error_of(::open("/tmp/skbtrail-sandbox-test", O_WRONLY | O_CREAT, 0600)) != EPERM) {
                return 1;
            }
        }
        return 0;
    });
    CHECK(file.result == 0);
    CHECK(::access("/tmp/skbtrail-sandbox-test", F_OK) != 0);
    CHECK(file.said ==
          "skbtrail-nic: sandbox: refused the system call openat (--no-sandbox allows it)\n");

    for (const int domain : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET}) {
        INFO(domain);
        const auto socket =
            inside({}, [&] { return error_of(::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
        CHECK(socket.result == EPERM);
        CHECK(contains(socket.said, "socket"));
    }
    const auto program = inside({}, [] {
        std::array<char*, 1> none{nullptr};
        return error_of(::execve("/bin/true", none.data(), none.data()));
    });
    CHECK(program.result == EPERM);
    CHECK(contains(program.said, "execve"));
    CHECK(inside({}, [] { return error_of(::chmod("/nowhere/at/all", 0700)); }).result == EPERM);
}

TEST_CASE("sandbox: what moving frames needs still works", "[device][sandbox]") {
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    const UniqueFd left(pair[0]);
    const UniqueFd right(pair[1]);
    const auto outcome = inside({}, [&] {
        // A message, a descriptor, memory, a thread that was there before would do the same.
        char byte = 'x';
        if (::send(left.get(), &byte, 1, 0) != 1 || ::recv(right.get(), &byte, 1, 0) != 1) {
            return 1;
        }
        const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
        const UniqueFd memory(static_cast<int>(::memfd_create("region", MFD_CLOEXEC)));
        if (!event || !memory || ::ftruncate(memory.get(), 65536) != 0) {
            return 2;
        }
        void* const mapped =
            ::mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
        if (mapped == MAP_FAILED || ::munmap(mapped, 65536) != 0) {
            return 3;
        }
        return ::prctl(PR_SET_NAME, "inside") == 0 ? 0 : 4;
    });
    CHECK(outcome.result == 0);
    CHECK(outcome.said.empty());
}

TEST_CASE("sandbox: a wire's own needs, and no more", "[device][sandbox]") {
    const SandboxNeeds internet{.internet = true};
    CHECK(inside(internet, [] { return error_of(::socket(AF_INET, SOCK_STREAM, 0)); }).result == 0);
    CHECK(inside(internet, [] { return error_of(::socket(AF_INET6, SOCK_DGRAM, 0)); }).result == 0);
    CHECK(inside(internet, [] { return error_of(::open("/etc/hosts", O_RDONLY)); }).result == 0);
    CHECK(inside(internet, [] {
              return error_of(::open("/tmp/skbtrail-sandbox-test", O_WRONLY | O_CREAT, 0600));
          }).result == EPERM);
    CHECK(inside(internet, [] { return error_of(::socket(AF_PACKET, SOCK_RAW, 0)); }).result ==
          EPERM);
    const SandboxNeeds unix_sockets{.unix_sockets = true};
    CHECK(inside(unix_sockets, [] { return error_of(::socket(AF_UNIX, SOCK_STREAM, 0)); }).result ==
          0);
    CHECK(inside(unix_sockets, [] { return error_of(::socket(AF_INET, SOCK_STREAM, 0)); }).result ==
          EPERM);
}

TEST_CASE("sandbox: no capabilities, and no way to new ones", "[device][sandbox]") {
    const auto outcome = inside({}, [] {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        std::array<__user_cap_data_struct, 2> data{};
        if (::syscall(SYS_capget, &header, data.data()) != 0) {
            return 1;
        }
        for (const auto& half : data) {
            if ((half.effective | half.permitted | half.inheritable) != 0) {
                return 2;
            }
        }
        return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
    });
    INFO(outcome.said);
    CHECK(outcome.result == 0);
}
