// The BPF side: one program on every function that takes an sk_buff, and its events.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tracer/bpf/event.h"
#include "tracer/filter/packet_filter.h"
#include "tracer/identity.h"

namespace skbtrail::tracer {

/// Loads the program, attaches it, and hands its events over.
class Prober final : public Identity {
  public:
    struct Options {
        std::uint64_t ring_kib = 4096;          ///< rounded up to a power of two
        std::uint64_t page_offset_address = 0;  ///< of the kernel's variable; 0: not known
        std::uint64_t vmemmap_address = 0;      ///< the same
        std::uint32_t snaplen = SKBTRAIL_SNAP;  ///< bytes of a packet to copy, no more than that
        PacketFilter filter;                    ///< which packets are told of
        /// Tells the patched calls of all functions that this kernel lets trace; empty: it does
        /// not tell. Asked for when the kernel refuses a function.
        std::function<std::vector<std::uint64_t>()> sites;
    };

    /// Loads. Throws Failure: no BTF, no rights, a program that the verifier refuses.
    explicit Prober(const Options& options);
    ~Prober() override;

    [[nodiscard]] std::string_view method() const override { return "kprobe.multi"; }

    /// Attaches to all of `probes` but those that are no function of this kernel: by its own list,
    /// else by halving, for which it takes no more than 64 of them.
    std::vector<Refused> attach(const std::vector<Probe>& probes) override;

    void switch_on() override;
    void switch_off() override;
    [[nodiscard]] int poll_fd() const override;
    std::size_t drain(const Sink& sink, std::size_t limit) override;
    [[nodiscard]] std::vector<chain::Loss> losses(const std::vector<unsigned>& cpus) const override;
    [[nodiscard]] std::optional<std::uint64_t> page_offset() const override;
    [[nodiscard]] bool filters() const override { return true; }
    [[nodiscard]] std::uint32_t packets_wanted() const override;
    [[nodiscard]] CpuCounts counts(unsigned cpu) const override;

    /// Pins the links where a BPF file system is mounted: detaching takes longer than the rest of
    /// the way to the power-off.
    void keep() override;

  private:
    /// Calls that the program did not see because another kprobe-type program was running on that
    /// CPU, or fprobe's own guard was taken, since it was loaded.
    [[nodiscard]] std::uint64_t missed() const;

    /// Events that there was no room for on a CPU.
    [[nodiscard]] RefusedEvents refused(unsigned cpu) const;

    struct State;
    std::unique_ptr<State> state_;
    std::function<std::vector<std::uint64_t>()> sites_;
    std::uint64_t missed_before_ = 0;
    std::uint64_t missed_after_ = 0;
};

}  // namespace skbtrail::tracer
