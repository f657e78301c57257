// A guest in QEMU, started by hand, in front of a NIC: a test types commands into it.
//
// It boots our kernel with an initramfs whose only job is an agent (machine_agent.sh) on a virtio
// console, so that one boot serves as many steps as a test has. QEMU ends with the test's
// process, however that ends.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "guest/initramfs.h"
#include "tests/guest/agent.h"
#include "tests/guest/program.h"

namespace skbtrail::tests {

struct MachineOptions {
    guest::Kernel kernel = guest_kernel();
    std::string type = "q35";  ///< or "pc"
    unsigned cpus = 1;
    unsigned queue_pairs = 1;
    /// How often QEMU tries to reach a NIC that has gone; 0: never.
    std::chrono::milliseconds reconnect{0};
    std::vector<std::string> device =
        {};                ///< more properties of virtio-net-pci: "rx_queue_size=1024"
    bool ethtool = false;  ///< the guest has ethtool(8)
    unsigned memory_mib = 256;
    std::vector<guest::GuestFile> files = {};  ///< more of them in the guest
};

/// QEMU's command line for the machine, but for its network. In `directory`: the agent's socket
/// (`agent`), the guest's log (`console`).
std::vector<std::string> without_network(const std::filesystem::path& directory,
                                         const MachineOptions& options);

class Machine {
  public:
    /// Boots, and waits for the agent. The NIC listens at `nic_socket` already. Throws
    /// std::runtime_error with the console's last words.
    Machine(const Scratch& scratch, const std::filesystem::path& nic_socket,
            const MachineOptions& options = {});
    ~Machine();

    Agent& agent() { return agent_; }

    /// The guest reboots itself; returns when the agent is back.
    void reboot();
    /// The reset button.
    void reset();
    /// Ends QEMU, as by closing its window.
    void quit();

  private:
    void monitor(const std::string& command);

    std::filesystem::path directory_;
    std::unique_ptr<Program> qemu_;
    Agent agent_;
};

}  // namespace skbtrail::tests
