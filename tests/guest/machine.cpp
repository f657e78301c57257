#include "tests/guest/machine.h"

#include <atomic>
#include <stdexcept>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace skbtrail::tests {

namespace fs = std::filesystem;
using device::UniqueFd;

namespace {

std::vector<std::string> command_line(const fs::path& directory, const fs::path& nic_socket,
                                      const MachineOptions& options) {
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
    auto arguments = without_network(directory, options);
    arguments.insert(arguments.begin(), {"/usr/bin/setpriv", "--pdeathsig", "KILL"});
    arguments.insert(
        arguments.end(),
        {"-qmp", fmt::format("unix:{},server=on,wait=off", (directory / "qmp").string()),
         "-chardev", socket, "-netdev",
         fmt::format("vhost-user,id=net,chardev=nic,queues={}", options.queue_pairs), "-device",
         device});
    return arguments;
}

/// Several machines of one test, one after another or at once.
fs::path directory_of_its_own(const Scratch& scratch) {
    static std::atomic<int> machines{0};
    const fs::path directory = scratch.path() / fmt::format("vm{}", ++machines);
    fs::create_directory(directory);
    return directory;
}

}  // namespace

std::vector<std::string> without_network(const fs::path& directory, const MachineOptions& options) {
    const auto file = [&](const char* name) { return (directory / name).string(); };
    return {"qemu-system-x86_64",
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
            fmt::format("{}M", options.memory_mib),
            "-object",
            fmt::format("memory-backend-memfd,id=memory,size={}M,share=on", options.memory_mib),
            "-kernel",
            options.kernel.vmlinux,
            "-initrd",
            agent_initramfs(options.kernel, options.ethtool, options.files),
            "-append",
            guest_kernel_command_line(),
            "-serial",
            "file:" + file("console"),
            "-device",
            "virtio-serial-pci",
            "-chardev",
            fmt::format("socket,id=agent,path={},server=on,wait=off", file("agent")),
            "-device",
            "virtconsole,chardev=agent",
            "-chardev",
            "file,id=stream,path=" + file("stream"),
            "-device",
            "virtserialport,chardev=stream,name=org.skbtrail.stream"};
}

Machine::Machine(const Scratch& scratch, const fs::path& nic_socket, const MachineOptions& options)
    : directory_(directory_of_its_own(scratch)),
      qemu_(std::make_unique<Program>(scratch, command_line(directory_, nic_socket, options))),
      agent_(directory_ / "agent", directory_ / "console") {
    agent_.wait_for_boot();
}

Machine::~Machine() = default;

void Machine::reboot() {
    agent_.send("reboot -f");
    agent_.wait_for_boot();
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
    agent_.wait_for_boot();
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
