// A guest in QEMU, started by hand, in front of a NIC: a test types commands into it.
//
// It boots our kernel with an initramfs whose only job is an agent (machine_agent.sh) on the second
// serial port, so that one boot serves as many steps as a test has. QEMU ends with the test's
// process, however that ends.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "device/unique_fd.h"
#include "tests/guest/program.h"

namespace skbtrail::tests {

struct MachineOptions {
    std::string type = "q35";  ///< or "pc"
    unsigned cpus = 1;
    unsigned queue_pairs = 1;
    /// How often QEMU tries to reach a NIC that has gone; 0: never.
    std::chrono::milliseconds reconnect{0};
    std::vector<std::string> device =
        {};                ///< more properties of virtio-net-pci: "rx_queue_size=1024"
    bool ethtool = false;  ///< the guest has ethtool(8)
};

class Machine {
  public:
    static constexpr auto boot_limit = std::chrono::seconds(90);

    /// Boots, and waits for the agent. The NIC listens at `nic_socket` already. Throws
    /// std::runtime_error with the console's last words.
    Machine(const Scratch& scratch, const std::filesystem::path& nic_socket,
            const MachineOptions& options = {});
    ~Machine();

    /// What a command, run by the guest's shell, wrote and ended with. Throws std::runtime_error
    /// when the guest does not answer in time.
    Outcome run(const std::string& command, std::chrono::seconds limit = std::chrono::seconds(60));
    /// run(), for a command that has to succeed: what it wrote, without the last newline.
    std::string must(const std::string& command);

    /// Brings eth0 up with the address that nat expects, and pings the gateway.
    void bring_up_network();
    bool ping(const std::string& address = "10.0.2.2", int count = 2);
    /// /sys/class/net/eth0/statistics/NAME.
    std::uint64_t statistic(const std::string& name);

    /// The guest reboots itself; returns when the agent is back.
    void reboot();
    /// The reset button.
    void reset();
    /// Ends QEMU, as by closing its window.
    void quit();
    std::string console() const;

  private:
    void connect_agent();
    void wait_for_agent();
    void send(const std::string& line);
    std::string read_until(const std::string& mark, std::chrono::seconds limit);
    void monitor(const std::string& command);

    std::filesystem::path directory_;
    std::unique_ptr<Program> qemu_;
    device::UniqueFd agent_;
    std::string pending_;  ///< what the agent wrote and nobody has looked at
};

/// A stream socket to `path`, as soon as somebody listens there. Throws std::runtime_error after
/// `limit`.
device::UniqueFd connect_to(const std::filesystem::path& path,
                            std::chrono::seconds limit = std::chrono::seconds(20));

}  // namespace skbtrail::tests
