// DPDK's testpmd: a process with ports that forwards between them, without huge pages, PCI or a
// virtual machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/dpdk/child.h"
#include "tests/dpdk/telemetry.h"

namespace skbtrail::dpdk {

/// How to run it.
struct TestpmdOptions {
    /// Distinct among those that run at the same time; file names are made of it.
    std::string name;
    /// For its log, and for the files and sockets that DPDK makes. The path must be short.
    std::filesystem::path directory;
    /// The processor that its threads run on.
    int cpu = 0;
    /// Its ports, in order: "net_vhost0,iface=/tmp/x".
    std::vector<std::string> devices;
    /// What it does with frames: "txonly", "rxonly", "io", "macswap".
    std::string forward;
    /// Length of the frames that it makes itself, without FCS.
    unsigned frame_length = 64;
    unsigned burst = 32;
    unsigned queues = 1;
    /// Entries of its rings: it has buffers for all of them, and some more.
    unsigned ring_size = 256;
    /// More than none: it starts by sending so many bursts itself, and then forwards.
    unsigned bursts_first = 0;
    /// Whether counters() is wanted.
    bool telemetry = true;
};

class Testpmd {
  public:
    /// Starts it; forwarding begins by itself. Throws std::runtime_error with a sentence.
    explicit Testpmd(const TestpmdOptions& options);

    /// Waits until it can be asked. Throws std::runtime_error when it ends or hangs instead.
    void wait_up();
    PortCounters counters(unsigned port);
    /// The feature bits that its virtio driver agreed on, once known.
    std::optional<std::uint64_t> negotiated() const;
    /// Ends it; true when it ended well.
    bool end() { return child_.end(false); }
    Child& process() { return child_; }
    const Child& process() const { return child_; }

    /// Why it cannot be used on this machine; empty when it can.
    static std::string missing();

  private:
    /// What `question` answers; where it throws, with how the program ended and what it said last.
    template <typename Question>
    auto ask(const Question& question);

    std::filesystem::path socket_;
    Child child_;
    std::optional<Telemetry> telemetry_;
};

}  // namespace skbtrail::dpdk
