// From entries and returns to trees of calls, and where trees are cut.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tracer/capture.h"
#include "tracer/function_table.h"
#include "tracer/merge.h"

namespace skbtrail::tracer {

using NodeId = std::uint32_t;
inline constexpr NodeId no_node = ~NodeId{0};

/// Why calls below a call may be missing: bits of Node::incomplete.
namespace incomplete {
inline constexpr std::uint8_t lost = 1U << 0U;       ///< the CPU's buffer lost events meanwhile
inline constexpr std::uint8_t deep = 1U << 1U;       ///< calls below were too deep for ftrace
inline constexpr std::uint8_t ended = 1U << 2U;      ///< the recording ended before it returned
inline constexpr std::uint8_t no_return = 1U << 3U;  ///< its return was not seen
inline constexpr std::uint8_t gap = 1U << 4U;        ///< a frame between it and a call is missing
inline constexpr std::uint8_t limit = 1U << 5U;      ///< the collector's memory limit was reached
}  // namespace incomplete

/// One call.
struct Node {
    FunctionId function = no_function;
    std::uint32_t group = no_group;  ///< its events, in the CpuMatch of its CPU
    std::uint64_t start = 0;
    std::uint64_t end = 0;          ///< 0: not seen
    std::uint64_t interrupted = 0;  ///< time between that interrupts took
    std::uint32_t pid = 0;
    std::int32_t depth = 0;
    std::uint16_t cpu = 0;
    std::uint8_t flags = 0;  ///< interrupt state at entry
    std::uint8_t incomplete = 0;
    bool unseen = false;  ///< it was probed, and what it was given is lost
    bool cut = false;     ///< begins a tree of its own though it ran inside `parent`
    /// An interrupt came while ftrace was about to record a call of this one: the entry of that
    /// call has to follow the interrupt's.
    bool owed_call = false;
    NodeId parent = no_node;
    NodeId first_child = no_node;  ///< in order, without those that were cut out
    NodeId last_child = no_node;
    NodeId next = no_node;  ///< sibling
};

/// All trees of a recording.
struct Forest {
    std::vector<Node> nodes;   ///< in order of start
    std::vector<NodeId> tops;  ///< first calls of trees, in order of start: top level, or cut
    std::uint64_t returns_without_entry = 0;  ///< after the window began
    std::uint64_t unknown_functions = 0;      ///< records of an address that the table lacks
    std::uint64_t too_deep = 0;               ///< entries that ftrace had no room for
};

/// Builds trees from records that come one after the other, in order of time.
///
/// A call that begins in a higher interrupt context than its caller (a softirq on the way out of
/// the sender, a device's interrupt), and each poll of a NAPI instance, is cut: it begins a tree of
/// its own and only remembers where it ran. The functions around an interrupt's handler
/// (role::interrupt_begins and interrupt_ends) are no calls of the tree: they tell how much of a
/// call's time was not its own.
class ForestBuilder {
  public:
    /// Both must outlive it; the window may change meanwhile.
    ForestBuilder(const FunctionTable& functions, const Window& window)
        : functions_(functions), window_(window) {}

    /// One entry or return. `group`: the events of the call, in the CpuMatch of its CPU.
    void add(const GraphRecord& record, std::uint32_t group);
    /// Calls that are under way are incomplete for the reason `why`.
    void interrupt(std::uint8_t why);
    /// They are not waited for any longer either.
    void abandon();

    [[nodiscard]] const Forest& forest() const { return forest_; }
    Forest& forest() { return forest_; }
    /// The outermost calls of the trees in which a call is under way.
    [[nodiscard]] std::unordered_set<NodeId> open() const;

    /// Forgets the trees that `gone` names by their outermost calls, with those cut out of them.
    /// Returns the new number of each node; no_node: forgotten.
    std::vector<NodeId> forget(const std::unordered_set<NodeId>& gone);

  private:
    /// An interrupt that is being handled.
    struct Interruption {
        std::uint64_t begin = 0;
        std::int32_t depth = 0;       ///< of the functions around its handler
        std::size_t interrupted = 0;  ///< so many calls were open
    };
    /// One thread's open calls. The idle threads of all CPUs have pid 0, and each its own.
    struct Thread {
        std::vector<NodeId> open;
        std::vector<Interruption> interruptions;  ///< each interrupted the one before
        std::uint32_t overrun = 0;
        bool overrun_known = false;
        std::uint64_t losses = 0;  ///< how many the builder had seen at the thread's last record
    };

    void enter(const GraphRecord& record, FunctionId function, std::uint32_t group, Thread& thread);
    void leave(const GraphRecord& record, FunctionId function, Thread& thread);
    void interruption(const GraphRecord& record, std::uint32_t roles, Thread& thread);
    void end_unseen(const GraphRecord& record, std::uint32_t roles, Thread& thread);
    void close(std::vector<NodeId>& open);
    static void check_depth(Node& parent, std::int32_t depth, bool interrupts);
    void mark_loss(std::uint16_t cpu);

    const FunctionTable& functions_;
    const Window& window_;
    Forest forest_;
    std::unordered_map<std::uint64_t, Thread> threads_;
    std::uint64_t losses_ = 0;
};

/// Builds the trees of a whole capture. `matches` must have an entry for each CPU of `capture`.
Forest build_forest(const Capture& capture, const std::map<unsigned, CpuMatch>& matches,
                    const FunctionTable& functions, const Window& window);

/// The outermost caller of `node`, across cuts.
NodeId outermost(const Forest& forest, NodeId node);

/// The nearest caller of `node`, itself included, whose function has one of `roles`; no_node if
/// there is none. Looks no further than to a cut.
NodeId caller_with_role(const Forest& forest, const FunctionTable& functions, NodeId node,
                        std::uint32_t roles);

/// True when `node` or a call below it has one of `roles`. Does not look into cut trees.
bool has_role_below(const Forest& forest, const FunctionTable& functions, NodeId node,
                    std::uint32_t roles);

}  // namespace skbtrail::tracer
