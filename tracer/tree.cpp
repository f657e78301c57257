#include "tracer/tree.h"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <utility>

#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

/// Rank of an interrupt state: a call of a higher rank than its caller interrupted it.
int rank_of(std::uint8_t flags) {
    if ((flags & flag_nmi) != 0) return 3;
    if ((flags & flag_hardirq) != 0) return 2;
    return (flags & flag_softirq) != 0 ? 1 : 0;
}

std::uint64_t thread_key(const GraphRecord& record) {
    return record.pid != 0 ? record.pid : (1ULL << 32U) + record.cpu;
}

}  // namespace

void ForestBuilder::add(const GraphRecord& record, std::uint32_t group) {
    if (record.after_loss) mark_loss(record.cpu);
    const auto function = functions_.at_site(record.site);
    if (function == no_function) ++forest_.unknown_functions;
    auto& thread = threads_[thread_key(record)];
    const bool lost = std::exchange(thread.losses, losses_) != losses_;
    const auto roles = function == no_function ? 0 : functions_[function].roles;
    if ((roles & role::around_interrupts) != 0) {
        interruption(record, roles, thread);
    } else if (record.entry) {
        enter(record, function, group, thread);
        // It is in the middle of calls whose entries are among what was lost.
        auto& node = forest_.nodes.back();
        if (lost && node.parent == no_node && record.depth > 0) {
            node.incomplete |= incomplete::lost;
        }
    } else {
        leave(record, function, thread);
    }
}

void ForestBuilder::interrupt(std::uint8_t why) {
    for (auto& [key, thread] : threads_) {
        for (const auto id : thread.open) forest_.nodes[id].incomplete |= why;
    }
}

void ForestBuilder::abandon() {
    ++losses_;
    for (auto& [key, thread] : threads_) {
        thread.open.clear();
        thread.interruptions.clear();
    }
}

std::unordered_set<NodeId> ForestBuilder::open() const {
    std::unordered_set<NodeId> outer;
    for (const auto& [key, thread] : threads_) {
        if (!thread.open.empty()) outer.insert(thread.open.front());
    }
    return outer;
}

std::vector<NodeId> ForestBuilder::forget(const std::unordered_set<NodeId>& gone) {
    // Callers stand before what they call, so one pass tells of each node what its caller is.
    std::vector<NodeId> number(forest_.nodes.size(), no_node);
    std::vector<Node> left;
    for (NodeId id = 0; id < forest_.nodes.size(); ++id) {
        const auto parent = forest_.nodes[id].parent;
        if (parent == no_node ? gone.contains(id) : number[parent] == no_node) continue;
        number[id] = static_cast<NodeId>(left.size());
        left.push_back(forest_.nodes[id]);
    }
    const auto renumber = [&number](NodeId& id) {
        if (id != no_node) id = number[id];
    };
    for (auto& node : left) {
        renumber(node.parent);
        renumber(node.first_child);
        renumber(node.last_child);
        renumber(node.next);
    }
    forest_.nodes = std::move(left);
    for (auto& top : forest_.tops) top = number[top];
    std::erase(forest_.tops, no_node);
    for (auto& [key, thread] : threads_) {
        for (auto& id : thread.open) id = number[id];
    }
    return number;
}

void ForestBuilder::enter(const GraphRecord& record, FunctionId function, std::uint32_t group,
                          Thread& thread) {
    auto& open = thread.open;
    end_unseen(record, 0, thread);
    const auto id = static_cast<NodeId>(forest_.nodes.size());
    Node node;
    node.function = function;
    node.group = group;
    node.start = record.time;
    node.pid = record.pid;
    node.depth = record.depth;
    node.cpu = record.cpu;
    node.flags = record.flags;
    node.unseen = group == no_group && function != no_function && functions_[function].probed &&
                  window_.contains(record.time);
    if (!open.empty()) {
        node.parent = open.back();
        auto& parent = forest_.nodes[node.parent];
        // Between it and the call that was interrupted is what handles the interrupt.
        const bool handles =
            !thread.interruptions.empty() && thread.interruptions.back().interrupted == open.size();
        const bool interrupts = handles || rank_of(record.flags) > rank_of(parent.flags);
        if (!handles) check_depth(parent, record.depth, interrupts);
        const bool poll = function != no_function && (functions_[function].roles & role::poll) != 0;
        node.cut = poll || interrupts;
        if (!node.cut) {
            if (parent.last_child == no_node) {
                parent.first_child = id;
            } else {
                forest_.nodes[parent.last_child].next = id;
            }
            parent.last_child = id;
        }
    }
    if (open.empty() || node.cut) forest_.tops.push_back(id);
    open.push_back(id);
    forest_.nodes.push_back(node);
}

void ForestBuilder::leave(const GraphRecord& record, FunctionId function, Thread& thread) {
    auto& open = thread.open;
    if (thread.overrun_known && record.overrun > thread.overrun) {
        forest_.too_deep += record.overrun - thread.overrun;
        if (!open.empty()) forest_.nodes[open.back()].incomplete |= incomplete::deep;
    }
    thread.overrun = record.overrun;
    thread.overrun_known = true;
    while (!open.empty() && forest_.nodes[open.back()].depth > record.depth) {
        forest_.nodes[open.back()].incomplete |= incomplete::no_return;
        close(open);
    }
    if (open.empty() || forest_.nodes[open.back()].depth != record.depth ||
        forest_.nodes[open.back()].function != function) {
        // A call that was under way when the recording began; later, one whose entry was lost.
        if (record.time >= window_.begin && !open.empty()) ++forest_.returns_without_entry;
        return;
    }
    auto& node = forest_.nodes[open.back()];
    node.end = std::max<std::uint64_t>(record.time, 1);
    close(open);
}

/// Whoever is as deep as this record's call has returned, unseen.
///
/// But ftrace of kernels before 6.11 counts the depth down first and writes the return then: an
/// interrupt in between is as deep as the call whose return is still to come.
void ForestBuilder::end_unseen(const GraphRecord& record, std::uint32_t roles, Thread& thread) {
    auto& open = thread.open;
    while (!open.empty() && forest_.nodes[open.back()].depth >= record.depth) {
        auto& node = forest_.nodes[open.back()];
        const bool interrupts =
            (roles & role::interrupt_begins) != 0 || rank_of(record.flags) > rank_of(node.flags);
        if (node.depth == record.depth && interrupts) break;
        node.incomplete |= incomplete::no_return;
        close(open);
    }
    // As deep as an interrupt's own functions, and outside of interrupts.
    auto& interruptions = thread.interruptions;
    const auto least = record.depth + ((record.flags & (flag_hardirq | flag_nmi)) != 0 ? 1 : 0);
    while (!interruptions.empty() && (interruptions.back().depth >= least ||
                                      interruptions.back().interrupted > open.size())) {
        interruptions.pop_back();
    }
}

/// An interrupt comes or is over: its time is no time of the calls that wait for its end.
void ForestBuilder::interruption(const GraphRecord& record, std::uint32_t roles, Thread& thread) {
    auto& interruptions = thread.interruptions;
    if (record.entry) {
        end_unseen(record, roles, thread);
        if ((roles & role::interrupt_begins) == 0) return;
        while (!interruptions.empty() && interruptions.back().depth >= record.depth) {
            interruptions.pop_back();  // its end was not seen
        }
        interruptions.push_back({record.time, record.depth, thread.open.size()});
        return;
    }
    if ((roles & role::interrupt_ends) == 0) return;
    while (!interruptions.empty() && interruptions.back().depth > record.depth) {
        interruptions.pop_back();
    }
    if (interruptions.empty() || interruptions.back().depth != record.depth) return;
    const auto over = interruptions.back();
    interruptions.pop_back();
    if (record.time < over.begin) return;  // damaged records
    const auto first = interruptions.empty() ? 0 : interruptions.back().interrupted;
    for (auto i = first; i < std::min(over.interrupted, thread.open.size()); ++i) {
        forest_.nodes[thread.open[i]].interrupted += record.time - over.begin;
    }
}

/// The innermost open call is over.
void ForestBuilder::close(std::vector<NodeId>& open) {
    auto& node = forest_.nodes[open.back()];
    if (node.owed_call) node.incomplete |= incomplete::gap;
    open.pop_back();
}

/// Compares the depth of a call with that of its caller.
///
/// ftrace counts the depth up first and writes the entry then. An interrupt in between has its
/// calls recorded before the entry of the call that it interrupted, one level too deep: that is
/// no gap if the entry follows. And one that comes as a call returns may be as deep as that call
/// (see end_unseen).
void ForestBuilder::check_depth(Node& parent, std::int32_t depth, bool interrupts) {
    if (depth == parent.depth + 1) {
        if (!interrupts) parent.owed_call = false;
    } else if (interrupts && depth == parent.depth + 2) {
        parent.owed_call = true;
    } else if (!interrupts || depth != parent.depth) {
        parent.incomplete |= incomplete::gap;
    }
}

void ForestBuilder::mark_loss(std::uint16_t cpu) {
    ++losses_;
    for (auto& [key, thread] : threads_) {
        for (const auto id : thread.open) {
            if (forest_.nodes[id].cpu == cpu) forest_.nodes[id].incomplete |= incomplete::lost;
        }
    }
}

Forest build_forest(const Capture& capture, const std::map<unsigned, CpuMatch>& matches,
                    const FunctionTable& functions, const Window& window) {
    struct Cursor {
        const CpuCapture* capture = nullptr;
        const CpuMatch* match = nullptr;
        std::size_t at = 0;
        [[nodiscard]] std::uint64_t time() const { return capture->records[at].time; }
    };
    const auto later = [](const Cursor& left, const Cursor& right) {
        return left.time() > right.time();
    };
    std::priority_queue<Cursor, std::vector<Cursor>, decltype(later)> queue(later);
    bool limit_reached = false;
    for (const auto& [cpu, one] : capture.cpus()) {
        limit_reached = limit_reached || one.records_over_limit > 0;
        if (!one.records.empty()) queue.push({&one, &matches.at(cpu), 0});
    }
    ForestBuilder builder(functions, window);
    while (!queue.empty()) {
        auto cursor = queue.top();
        queue.pop();
        builder.add(cursor.capture->records[cursor.at], cursor.match->group_of_record[cursor.at]);
        if (++cursor.at < cursor.capture->records.size()) queue.push(cursor);
    }
    builder.interrupt(limit_reached ? incomplete::limit : incomplete::ended);
    return std::move(builder.forest());
}

NodeId outermost(const Forest& forest, NodeId node) {
    while (forest.nodes[node].parent != no_node) node = forest.nodes[node].parent;
    return node;
}

NodeId caller_with_role(const Forest& forest, const FunctionTable& functions, NodeId node,
                        std::uint32_t roles) {
    while (node != no_node) {
        const auto& at = forest.nodes[node];
        if (at.function != no_function && (functions[at.function].roles & roles) != 0) return node;
        if (at.cut) return no_node;
        node = at.parent;
    }
    return no_node;
}

bool has_role_below(const Forest& forest, const FunctionTable& functions, NodeId node,
                    std::uint32_t roles) {
    const auto& at = forest.nodes[node];
    if (at.function != no_function && (functions[at.function].roles & roles) != 0) return true;
    for (auto child = at.first_child; child != no_node; child = forest.nodes[child].next) {
        if (has_role_below(forest, functions, child, roles)) return true;
    }
    return false;
}

}  // namespace skbtrail::tracer
