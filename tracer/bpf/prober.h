// The BPF side: one program on every function that takes an sk_buff, and its events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tracer/bpf/event.h"

namespace skbtrail::tracer {

/// A function to attach to.
struct Probe {
    std::uint64_t address = 0;  ///< its symbol, not its patched call
    std::uint64_t cookie = 0;   ///< event.h
};

/// Loads the program, attaches it, and hands its events over.
class Prober {
  public:
    struct Options {
        std::uint64_t ring_kib = 4096;          ///< rounded up to a power of two
        std::uint64_t page_offset_address = 0;  ///< of the kernel's variable; 0: not known
    };

    /// Loads. Throws Failure: no BTF, no rights, a program that the verifier refuses.
    explicit Prober(const Options& options);
    ~Prober();
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

    /// Attaches to all of `probes`. A function that the kernel refuses is left out, found by
    /// halving, and its index returned with the errno. Throws Failure when nothing can be attached.
    struct Refused {
        std::size_t index = 0;
        int error = 0;
    };
    std::vector<Refused> attach(const std::vector<Probe>& probes);

    /// Lets events flow, or stops them.
    void switch_on();
    void switch_off();

    /// A descriptor that becomes readable when much waits.
    [[nodiscard]] int poll_fd() const;

    /// Hands events that wait to `sink`, `limit` at most: raw bytes of a struct skbtrail_event,
    /// with its bytes behind it. Returns their number.
    using Sink = std::function<void(std::span<const std::byte>)>;
    std::size_t drain(const Sink& sink, std::size_t limit);

    /// The counters of one CPU.
    [[nodiscard]] const skbtrail_cpu& counters(unsigned cpu) const;

    /// Calls that the program did not see because another kprobe-type program was running on that
    /// CPU, or fprobe's own guard was taken.
    struct Missed {
        std::uint64_t program = 0;
        std::uint64_t link = 0;
    };
    [[nodiscard]] Missed missed() const;

    /// Start of the kernel's direct map; nothing before the first event.
    [[nodiscard]] std::optional<std::uint64_t> page_offset() const;

    /// Leaves the program attached when this object goes, where a BPF file system is mounted: the
    /// machine is about to power off, and detaching takes longer than the rest of the way there.
    void keep();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace skbtrail::tracer
