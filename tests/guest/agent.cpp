#include "tests/guest/agent.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest/error.h"
#include "guest/initramfs.h"
#include "labs/runner/programs.h"
#include "tests/places.h"

namespace skbtrail::tests {

namespace fs = std::filesystem;
using device::UniqueFd;

fs::path agent_initramfs(const guest::Kernel& kernel, bool with_ethtool,
                         const std::vector<guest::GuestFile>& files) {
    const fs::path bin = tests::in_build("bin");
    guest::InitramfsRequest request;
    request.kernel = kernel;
    request.modules = {"virtio_net"};
    request.init = bin / "skbtrail-init";
    request.collector = bin / "skbtrail-collect";
    request.files = {{tests::in_source("tests/guest/machine_agent.sh"), "/agent.sh", 0755}};
    if (with_ethtool) {
        labs::GuestPrograms programs;
        programs.add("/sbin/ethtool", "/sbin/ethtool");
        request.files.insert(request.files.end(), programs.files().begin(), programs.files().end());
    }
    request.files.insert(request.files.end(), files.begin(), files.end());
    // Nothing is sent that the test does not ask for, so that counters can be compared.
    request.job.sysctls = {{"net.ipv6.conf.all.disable_ipv6", "1"},
                           {"net.ipv6.conf.default.disable_ipv6", "1"}};
    request.job.steps = {{.name = "agent",
                          .command = {"/bin/sh", "/agent.sh"},
                          .deadline = std::chrono::minutes(30)}};
    return guest::build_initramfs(request);
}

guest::Kernel newest_kernel() {
    guest::KernelStore store;
    try {
        return store.resolve(store.available().back().release);
    } catch (const guest::Error&) {
        return store.list().back();
    }
}

guest::Kernel guest_kernel() {
    return guest::resolve_kernel("6.12");
}

std::string guest_kernel_command_line() {
    return "console=ttyS0 panic=-1 tsc=reliable no_timer_check mitigations=off nokaslr "
           "cryptomgr.notests";
}

UniqueFd connect_to(const fs::path& path, std::chrono::seconds limit) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = path;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (!eventually(
            [&] {
                return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address),
                                 sizeof address) == 0;
            },
            limit)) {
        throw std::runtime_error(
            fmt::format("cannot connect to {}: {}", name, std::strerror(errno)));
    }
    return socket;
}

Agent::Agent(const fs::path& socket, fs::path console)
    : console_(std::move(console)), socket_(connect_to(socket)) {}

std::string Agent::last_words() const {
    std::ifstream file(console_, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    constexpr std::size_t enough = 4000;
    return text.size() > enough ? text.substr(text.size() - enough) : text;
}

std::string Agent::read_until(const std::string& mark, std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::size_t at = 0;
    while ((at = pending_.find(mark)) == std::string::npos) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd wanted{socket_.get(), POLLIN, 0};
        char buffer[4096];
        ssize_t count = 0;
        if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) <= 0 ||
            (count = ::read(socket_.get(), buffer, sizeof buffer)) <= 0) {
            throw std::runtime_error(fmt::format(
                "the guest did not say \"{}\" within {} s. It said: {}\nIts console: {}", mark,
                limit.count(), pending_, last_words()));
        }
        pending_.append(buffer, static_cast<std::size_t>(count));
    }
    const std::string before = pending_.substr(0, at);
    pending_.erase(0, at + mark.size());
    return before;
}

void Agent::wait_for_boot() {
    read_until("@@@ ready\n", boot_limit);
}

void Agent::send(const std::string& line) {
    const std::string bytes = line + "\n";
    if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
        throw std::runtime_error("the guest's agent takes no command: QEMU is gone");
    }
}

Outcome Agent::run(const std::string& command, std::chrono::seconds limit) {
    send(command);
    Outcome outcome;
    outcome.output = read_until("@@@ ", limit);
    const std::string status = read_until("\n", limit);
    if (status == "ready") {
        throw std::runtime_error("the guest rebooted unasked. Its console: " + last_words());
    }
    outcome.status = std::stoi(status);
    return outcome;
}

std::string Agent::must(const std::string& command) {
    Outcome outcome = run(command);
    if (outcome.status != 0) {
        throw std::runtime_error(fmt::format("in the guest, \"{}\" ended with {}: {}", command,
                                             outcome.status, outcome.output));
    }
    while (!outcome.output.empty() && outcome.output.back() == '\n') {
        outcome.output.pop_back();
    }
    return outcome.output;
}

std::string Agent::read_file(const std::string& path) {
    // What a virtio console says while its socket is full is dropped by QEMU (flush_buf() in
    // hw/char/virtio-console.c), so each piece fits into the socket's buffer.
    constexpr std::size_t piece = 64U << 10U;
    std::string text;
    for (std::size_t i = 0;; ++i) {
        const auto outcome =
            run(fmt::format("dd if={} bs={} skip={} count=1 2>/dev/null", path, piece, i));
        if (outcome.status != 0) {
            throw std::runtime_error(fmt::format("the guest's {} cannot be read", path));
        }
        text += outcome.output;
        if (outcome.output.size() < piece) return text;
    }
}

void Agent::bring_up_network() {
    must("ip link set eth0 up");
    must("ip address add 10.0.2.15/24 dev eth0");
    if (!ping()) {
        throw std::runtime_error("the guest cannot ping the gateway. " + run("ip -s link").output);
    }
}

bool Agent::ping(const std::string& address, int count) {
    return run(fmt::format("ping -c {} -W 10 {}", count, address)).status == 0;
}

std::uint64_t Agent::statistic(const std::string& name) {
    return std::stoull(must("cat /sys/class/net/eth0/statistics/" + name));
}

}  // namespace skbtrail::tests
