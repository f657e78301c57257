#include "tests/guest/machine.h"

#include <atomic>
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

#include "guest/initramfs.h"
#include "guest/kernel_store.h"

namespace skbtrail::tests {

namespace fs = std::filesystem;
using device::UniqueFd;

namespace {

constexpr const char* kernel_version = "6.12";

fs::path initramfs(const guest::Kernel& kernel, bool with_ethtool) {
    const fs::path bin = SKBTRAIL_BIN;
    guest::InitramfsRequest request;
    request.kernel = kernel;
    request.modules = {"virtio_net"};
    request.init = bin / "skbtrail-init";
    request.collector = bin / "skbtrail-collect";
    request.files = {{fs::path(SKBTRAIL_GUEST_TESTS) / "machine_agent.sh", "/agent.sh", 0755}};
    if (with_ethtool) {
        // A program of the distribution, with what its dynamic linker asks for.
        for (const char* file :
             {"/sbin/ethtool", "/lib/x86_64-linux-gnu/libm.so.6",
              "/lib/x86_64-linux-gnu/libmnl.so.0", "/lib/x86_64-linux-gnu/libc.so.6",
              "/lib64/ld-linux-x86-64.so.2"}) {
            request.files.push_back({fs::canonical(file), file, 0755});
        }
    }
    // Nothing is sent that the test does not ask for, so that counters can be compared.
    request.job.sysctls = {{"net.ipv6.conf.all.disable_ipv6", "1"},
                           {"net.ipv6.conf.default.disable_ipv6", "1"}};
    request.job.steps = {{.name = "agent",
                          .command = {"/bin/sh", "/agent.sh"},
                          .deadline = std::chrono::minutes(30)}};
    return guest::build_initramfs(request);
}

std::vector<std::string> command_line(const fs::path& directory, const fs::path& nic_socket,
                                      const MachineOptions& options) {
    const guest::Kernel kernel = guest::resolve_kernel(kernel_version);
    std::string socket = fmt::format("socket,id=nic,path={}", nic_socket.string());
    if (options.reconnect.count() > 0) {
        socket += fmt::format(",reconnect-ms={}", options.reconnect.count());
    }
    std::string device = "virtio-net-pci,netdev=net,mac=52:54:00:12:34:56,romfile=";
    if (options.queue_pairs > 1) {
        device += fmt::format(",mq=on,vectors={}", 2 * options.queue_pairs + 2);
    }
    for (const std::string& property : options.device) {
        device += "," + property;
    }
    const auto file = [&](const char* name) { return (directory / name).string(); };
    return {"/usr/bin/setpriv",
            "--pdeathsig",
            "KILL",
            "qemu-system-x86_64",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            fmt::format("{},accel=tcg,memory-backend=memory", options.type),
            "-cpu",
            "max",
            "-smp",
            std::to_string(options.cpus),
            "-m",
            "256M",
            "-object",
            "memory-backend-memfd,id=memory,size=256M,share=on",
            "-kernel",
            kernel.vmlinux,
            "-initrd",
            initramfs(kernel, options.ethtool),
            "-append",
            "console=ttyS0 panic=-1 tsc=reliable no_timer_check mitigations=off nokaslr "
            "cryptomgr.notests",
            "-serial",
            "file:" + file("console"),
            "-serial",
            fmt::format("unix:{},server=on,wait=off", file("agent")),
            "-qmp",
            fmt::format("unix:{},server=on,wait=off", file("qmp")),
            "-device",
            "virtio-serial-pci",
            "-chardev",
            "file,id=stream,path=" + file("stream"),
            "-device",
            "virtserialport,chardev=stream,name=org.skbtrail.stream",
            "-chardev",
            socket,
            "-netdev",
            fmt::format("vhost-user,id=net,chardev=nic,queues={}", options.queue_pairs),
            "-device",
            device};
}

/// Several machines of one test, one after another or at once.
fs::path directory_of_its_own(const Scratch& scratch) {
    static std::atomic<int> machines{0};
    const fs::path directory = scratch.path() / fmt::format("vm{}", ++machines);
    fs::create_directory(directory);
    return directory;
}

}  // namespace

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

Machine::Machine(const Scratch& scratch, const fs::path& nic_socket, const MachineOptions& options)
    : directory_(directory_of_its_own(scratch)),
      qemu_(std::make_unique<Program>(scratch, command_line(directory_, nic_socket, options))),
      agent_(connect_to(directory_ / "agent")) {
    wait_for_agent();
}

Machine::~Machine() = default;

std::string Machine::console() const {
    std::ifstream file(directory_ / "console", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    constexpr std::size_t last_words = 4000;
    return text.size() > last_words ? text.substr(text.size() - last_words) : text;
}

std::string Machine::read_until(const std::string& mark, std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::size_t at = 0;
    while ((at = pending_.find(mark)) == std::string::npos) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd wanted{agent_.get(), POLLIN, 0};
        char buffer[4096];
        ssize_t count = 0;
        if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) <= 0 ||
            (count = ::read(agent_.get(), buffer, sizeof buffer)) <= 0) {
            throw std::runtime_error(fmt::format(
                "the guest did not say \"{}\" within {} s. It said: {}\nIts console: {}", mark,
                limit.count(), pending_, console()));
        }
        pending_.append(buffer, static_cast<std::size_t>(count));
    }
    const std::string before = pending_.substr(0, at);
    pending_.erase(0, at + mark.size());
    return before;
}

void Machine::wait_for_agent() {
    read_until("@@@ ready\n", boot_limit);
}

void Machine::send(const std::string& line) {
    const std::string bytes = line + "\n";
    if (::send(agent_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
        throw std::runtime_error("the guest's agent takes no command: QEMU is gone");
    }
}

Outcome Machine::run(const std::string& command, std::chrono::seconds limit) {
    send(command);
    Outcome outcome;
    outcome.output = read_until("@@@ ", limit);
    const std::string status = read_until("\n", limit);
    if (status == "ready") {
        throw std::runtime_error("the guest rebooted unasked. Its console: " + console());
    }
    outcome.status = std::stoi(status);
    return outcome;
}

std::string Machine::must(const std::string& command) {
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

void Machine::bring_up_network() {
    must("ip link set eth0 up");
    must("ip address add 10.0.2.15/24 dev eth0");
    if (!ping()) {
        throw std::runtime_error("the guest cannot ping the gateway. " + run("ip -s link").output);
    }
}

bool Machine::ping(const std::string& address, int count) {
    return run(fmt::format("ping -c {} -W 10 {}", count, address)).status == 0;
}

std::uint64_t Machine::statistic(const std::string& name) {
    return std::stoull(must("cat /sys/class/net/eth0/statistics/" + name));
}

void Machine::reboot() {
    send("reboot -f");
    wait_for_agent();
}

void Machine::monitor(const std::string& command) {
    const UniqueFd socket = connect_to(directory_ / "qmp");
    const std::string words =
        fmt::format("{{\"execute\":\"qmp_capabilities\"}}\n{{\"execute\":\"{}\"}}\n", command);
    if (::send(socket.get(), words.data(), words.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(words.size())) {
        throw std::runtime_error("QEMU's monitor takes no command");
    }
    // Greeting and two answers; QEMU acts before it answers.
    std::string answers;
    const auto count = [&](const std::string& what) {
        std::size_t n = 0;
        for (std::size_t at = 0; (at = answers.find(what, at)) != std::string::npos; ++n, ++at) {
        }
        return n;
    };
    char buffer[4096];
    while (count("\"return\"") < 2) {
        pollfd wanted{socket.get(), POLLIN, 0};
        ssize_t got = 0;
        if (::poll(&wanted, 1, 20'000) <= 0 ||
            (got = ::read(socket.get(), buffer, sizeof buffer)) <= 0) {
            return;  // "quit" may close the monitor before it answers
        }
        answers.append(buffer, static_cast<std::size_t>(got));
    }
}

void Machine::reset() {
    monitor("system_reset");
    wait_for_agent();
}

void Machine::quit() {
    monitor("quit");
    const int status = qemu_->wait(std::chrono::seconds(30));
    if (status != 0) {
        throw std::runtime_error(
            fmt::format("QEMU ended with status {}: {}", status, qemu_->output()));
    }
}

}  // namespace skbtrail::tests
