// What a test needs to make captures: function tables, records and events by hand, and a recorded
// ping.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "tracer/bpf/event.h"
#include "tracer/capture.h"
#include "tracer/function_table.h"

namespace skbtrail::tracer::test {

/// The kernel's names of drop reasons, by number.
inline const std::vector<std::string> drop_reasons{"NOT_DROPPED_YET", "CONSUMED", "NOT_SPECIFIED",
                                                   "NO_SOCKET"};

/// Functions by name, with the roles that the policy gives them. The n-th one (from 1) begins at
/// n * 0x1000 and is patched 4 bytes behind.
FunctionTable make_table(const std::vector<std::string>& probed,
                         const std::vector<std::string>& others = {});
std::uint64_t symbol_of(const FunctionTable& table, const std::string& name);

/// Writes a capture as a story, one CPU at a time: each step takes ten nanoseconds.
class Story {
  public:
    explicit Story(const FunctionTable& table, std::size_t limit = 64U << 20U)
        : capture(limit), table_(table) {}

    /// From here on: this thread, interrupt state and CPU.
    Story& thread(std::uint32_t pid);
    Story& context(std::uint8_t flags);
    Story& on_cpu(unsigned number);

    /// A call begins: its record in the graph.
    Story& enter(const std::string& function);
    /// It returns.
    Story& leave(const std::string& function);
    /// The event of the function with one sk_buff; a second one of the same call with `more`.
    Story& event(const std::string& function, skbtrail_event event = {}, bool more = false);
    /// enter() and event(), in the order in which the kernel gives them here.
    Story& call(const std::string& function, skbtrail_event event = {});
    /// call() and leave().
    Story& leaf(const std::string& function, skbtrail_event event = {});
    /// The next record follows a loss.
    Story& lose();
    /// Entries too deep for ftrace so far, as the next return tells.
    Story& overrun(std::uint32_t count);

    [[nodiscard]] std::uint64_t now() const { return time_; }

    Capture capture;

  private:
    const FunctionTable& table_;
    std::uint64_t time_ = 1000;
    std::uint32_t pid_ = 100;
    std::uint8_t flags_ = 0;
    unsigned cpu_ = 0;
    bool after_loss_ = false;
    std::uint32_t overrun_ = 0;
    std::map<std::pair<unsigned, std::uint32_t>, std::int32_t> depth_;
    std::map<unsigned, std::uint64_t> sequence_;
};

/// A sighting of an sk_buff at `skb` with its head at `head`.
skbtrail_event sight(std::uint64_t skb, std::uint64_t head, std::uint32_t data = 64,
                     std::uint32_t len = 84);
/// One whose fields are not set yet and that is going to have `head`.
skbtrail_event unset(std::uint64_t skb, std::uint64_t head);

/// Recordings of one ping by raw pages and events (data/README.md), by the kernel's version: with
/// kprobe events in small pages, with BPF's events, and with both of them changed since.
inline constexpr std::array recorded_pings = {"ping-6.1", "ping-6.12", "ping-7.3"};
/// The test is run with each of them.
std::string ping_of_any_kernel();

struct Recorded {
    FunctionTable functions;
    Capture capture;
};
/// `pages_kept`: how many the capture has room for.
Recorded load_recorded(const std::string& name, std::size_t pages_kept = 1024);

}  // namespace skbtrail::tracer::test
