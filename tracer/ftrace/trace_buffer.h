// A trace buffer of our own: function_graph on chosen functions, per-CPU pages, and the state of
// tracefs as it was found, afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tracer/chain/recording.h"
#include "tracer/files.h"
#include "tracer/ftrace/format.h"
#include "tracer/ftrace/saved_state.h"

namespace skbtrail::tracer {

/// Where tracefs is mounted. Throws Failure, which says how to mount it.
std::string find_tracefs();

/// Throws Failure when the kernel has no function_graph tracer.
void check_tracer(const std::string& tracefs);

/// The decoder for this kernel's records. Throws Failure.
GraphDecoder make_decoder(const std::string& tracefs);

/// Size of a page of the ring buffer in bytes, from events/header_page of tracefs or an instance.
std::size_t page_size(const std::string& directory);

/// One CPU's counters, from per_cpu/cpuN/stats.
struct CpuStats {
    unsigned cpu = 0;
    std::uint64_t overrun = 0;         ///< overwritten before they were read
    std::uint64_t commit_overrun = 0;  ///< lost because an interrupt filled the buffer
    std::uint64_t dropped = 0;         ///< refused, the buffer being full and not overwritten
};
CpuStats parse_stats(std::string_view text);

/// The buffer. Where the kernel has function_graph in instances (tracefs/instances/), it is an
/// instance of its own, so nobody else's tracing is touched. Where it exists at the top only, its
/// settings are saved and put back, and somebody else's tracing at work there is not disturbed but
/// reported as a Failure.
class TraceBuffer {
  public:
    /// Sets up the buffer, tracing switched off. Removes instances that a killed collector left.
    /// `saved` keeps what has to be put back. Throws Failure.
    TraceBuffer(const std::string& tracefs, std::uint64_t kib_per_cpu, SavedState& saved);

    /// Puts everything back, unless keep() was called.
    ~TraceBuffer();
    TraceBuffer(const TraceBuffer&) = delete;
    TraceBuffer& operator=(const TraceBuffer&) = delete;

    /// Chooses the functions by their records, and checks with the kernel that these are the ones
    /// meant: names are compared. Returns the indices of those that the kernel does not have.
    /// Throws Failure.
    std::vector<std::size_t> choose(const std::vector<std::uint32_t>& records,
                                    const std::vector<std::string>& names);

    /// Patches the chosen functions. Slow: tens of microseconds each. Throws Failure.
    void enable();

    /// Lets records flow, or stops them. Quick. Throws Failure.
    void switch_on();
    void switch_off();

    /// Leaves the functions patched when this object goes: the machine is about to power off.
    void keep() { keep_ = true; }

    /// One descriptor of trace_pipe_raw per CPU, non-blocking; there are some once it is enabled.
    struct Pipe {
        unsigned cpu = 0;
        Fd fd;
    };
    [[nodiscard]] const std::vector<Pipe>& pipes() const { return pipes_; }

    [[nodiscard]] std::vector<CpuStats> stats() const;

    /// Where its files are: events/, per_cpu/ …
    [[nodiscard]] const std::string& directory() const { return directory_; }

    /// True when the buffer is an instance.
    [[nodiscard]] bool is_private() const { return private_; }

  private:
    void create(const std::string& tracefs);
    void set_size(std::uint64_t kib_per_cpu);
    void take_top(const std::string& tracefs);
    void set(const std::string& file, const std::string& text, bool by_word = false);
    void restore();

    std::string directory_;
    bool private_ = false;
    bool keep_ = false;
    SavedState& saved_;
    std::vector<Pipe> pipes_;
};

/// The trace pipes of a trace buffer, by number of CPU; `directory` is its own, or tracefs. Throws
/// Failure.
std::vector<TraceBuffer::Pipe> open_trace_pipes(const std::string& directory);

/// The counters of those CPUs.
std::vector<CpuStats> trace_stats(const std::string& directory,
                                  const std::vector<TraceBuffer::Pipe>& pipes);

}  // namespace skbtrail::tracer
