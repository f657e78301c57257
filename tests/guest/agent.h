// A shell in a guest that a test types into: machine_agent.sh on the guest's virtio console, of
// which QEMU makes a socket. (The emulated UART lost 16 bytes at a time on a busy host.)
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "device/unique_fd.h"
#include "guest/initramfs.h"
#include "guest/kernel_store.h"
#include "tests/guest/program.h"

namespace skbtrail::tests {

class Agent {
  public:
    static constexpr auto boot_limit = std::chrono::seconds(90);

    /// Connects to `socket` as soon as QEMU listens there. `console` is the guest's log, for error
    /// messages. Throws std::runtime_error.
    Agent(const std::filesystem::path& socket, std::filesystem::path console);

    /// Until the guest has booted, or booted again. Throws std::runtime_error, with the console's
    /// last words, when that takes too long.
    void wait_for_boot();
    /// What a command, run by the guest's shell, wrote and ended with. Throws std::runtime_error
    /// when the guest does not answer in time.
    Outcome run(const std::string& command, std::chrono::seconds limit = std::chrono::seconds(60));
    /// run(), for a command that has to succeed: what it wrote, without the last newline.
    std::string must(const std::string& command);
    /// A file of the guest's, as large as it may be.
    std::string read_file(const std::string& path);
    /// A command that does not come back.
    void send(const std::string& line);

    // What most guests are asked for.

    /// Brings eth0 up with the address that nat expects, and pings the gateway.
    void bring_up_network();
    bool ping(const std::string& address = "10.0.2.2", int count = 2);
    /// /sys/class/net/eth0/statistics/NAME.
    std::uint64_t statistic(const std::string& name);

  private:
    std::string read_until(const std::string& mark, std::chrono::seconds limit);
    std::string last_words() const;

    std::filesystem::path console_;
    device::UniqueFd socket_;
    std::string pending_;  ///< what the agent wrote and nobody has looked at
};

/// The initramfs that runs the agent, for `kernel`; with ethtool(8) if wanted, and `files`.
std::filesystem::path agent_initramfs(const guest::Kernel& kernel, bool with_ethtool = false,
                                      const std::vector<guest::GuestFile>& files = {});
/// The newest that the mirror has; without a mirror, that the cache has.
guest::Kernel newest_kernel();
/// The kernel that guests of these tests boot, and what it is told.
guest::Kernel guest_kernel();
std::string guest_kernel_command_line();

/// A stream socket to `path`, as soon as somebody listens there. Throws std::runtime_error after
/// `limit`.
device::UniqueFd connect_to(const std::filesystem::path& path,
                            std::chrono::seconds limit = std::chrono::seconds(20));

}  // namespace skbtrail::tests
