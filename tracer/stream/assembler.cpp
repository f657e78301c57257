#include "tracer/stream/assembler.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "tracer/filter/narrow.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

using chain::PacketId;

constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t millisecond = 1'000'000;
/// What was found empty may still hold what was being written then: an interrupt's records are not
/// shown before the record that it interrupted is complete.
constexpr std::uint64_t being_written = 50 * millisecond;
/// Events of several CPUs are about in order.
constexpr std::uint64_t out_of_order = 20 * millisecond;
/// A CPU that was quiet for so long has told all that belongs to its last call.
constexpr std::uint64_t quiet = 20 * millisecond;
/// What was expected and did not come is waited for no longer.
constexpr std::uint64_t patience = 1000 * millisecond;
/// After the end of a packet some functions still look at it.
constexpr std::uint64_t last_looks = 20 * millisecond;
constexpr std::size_t most_names = 10'000;
constexpr std::uint8_t interrupt_flags = flag_hardirq | flag_softirq | flag_nmi;

std::uint64_t before(std::uint64_t time, std::uint64_t span) {
    return time > span ? time - span : 0;
}

/// True when all events of calls before this record have come: no call is being entered, neither in
/// the thread nor in what it interrupted.
bool is_seam(const GraphRecord& record, const FunctionTable& functions) {
    const auto function = functions.at_site(record.site);
    // An interrupt's own functions have the state of what it interrupts.
    if (function != no_function && (functions[function].roles & role::around_interrupts) != 0) {
        return false;
    }
    return !record.entry && (record.depth == 0 || (record.flags & interrupt_flags) == 0);
}

}  // namespace

StreamAssembler::StreamAssembler(const StreamSetting& setting, StreamSink& sink)
    : setting_(setting),
      sink_(sink),
      window_{0, forever},
      work_(forever),
      builder_(setting_.functions, window_),
      follower_(work_, builder_.forest(), setting_.functions, setting_.drop_reasons),
      writer_(builder_.forest(), setting_.functions, matches_, packets_of_,
              setting_.selection.interrupts),
      pruner_([this](PacketId id) { return is_wanted(id) ? id : no_packet; }, setting_.functions),
      judge_(setting_.selection.filter) {}

void StreamAssembler::add(Delivery delivery) {
    decode(std::move(delivery));
    const auto until = match_all();
    build(until);
    follow(until, false);
    if (setting_.selection.filter.active()) spread_wishes();
    if (size() > setting_.limit) {
        builder_.interrupt(incomplete::limit);
        builder_.abandon();
    }
    hand_on_chains(followed_, false);
    for (auto& packet : follower_.take_ended(before(followed_, last_looks))) {
        hand_on(std::move(packet));
    }
    forget_bytes();
}

void StreamAssembler::finish(std::uint64_t end) {
    window_.end = end;
    for (auto& [cpu, one] : work_.cpus()) match(cpu, one.records.size(), forever);
    build(forever);
    builder_.interrupt(incomplete::ended);
    builder_.abandon();
    follow(forever, true);
    if (setting_.selection.filter.active()) spread_wishes();
    hand_on_chains(forever, true);
    for (auto& packet : follower_.finish()) hand_on(std::move(packet));
}

std::vector<chain::Loss> StreamAssembler::losses() const {
    std::vector<chain::Loss> losses;
    add_losses({work_, matches_, setting_.functions}, builder_.forest(), follower_.implausible(),
               losses);
    return losses;
}

void StreamAssembler::add_counts(unsigned cpu, const CpuCounts& counts) {
    matches_[cpu];
    work_.add_counts(cpu, counts);
}

// ------------------------------------------------------------------------- what has come ------

void StreamAssembler::decode(Delivery delivery) {
    delivery.capture.decode(setting_.decoder, setting_.kprobes);
    events_until_ = std::max(events_until_, before(delivery.events_until, being_written));
    for (const auto& [cpu, until] : delivery.pages_until) {
        auto& known = cpus_[cpu].pages_until;
        known = std::max(known, before(until, being_written));
    }
    for (auto& [cpu, from] : delivery.capture.cpus()) {
        auto& state = cpus_[cpu];
        matches_[cpu];
        if (!from.records.empty()) {
            if (state.gap) from.records.front().after_loss = true;
            state.gap = false;
            state.pages_until = std::max(state.pages_until, from.records.back().time);
        }
        state.gap = state.gap || from.records_over_limit > 0;
        if (!from.events.empty()) {
            events_until_ = std::max(events_until_, before(from.events.back().time, out_of_order));
        }
        for (const auto& event : from.events) {
            auto name = name_in_event(delivery.capture, event);
            if (!name) continue;
            if (names_.size() > most_names) names_.clear();
            names_[event.tid] = std::move(*name);
        }
    }
    work_.absorb(std::move(delivery.capture));
}

std::uint64_t StreamAssembler::bound_of(unsigned cpu) const {
    const auto pages = cpus_.at(cpu).pages_until;
    return setting_.kprobes != nullptr ? pages : std::min(pages, events_until_);
}

/// Matches what can be matched. Returns the time up to which that is everything.
std::uint64_t StreamAssembler::match_all() {
    auto until = forever;
    for (auto& [cpu, state] : cpus_) {
        const auto bound = bound_of(cpu);
        const auto& records = work_.cpus()[cpu].records;
        const auto end = std::partition_point(
            records.begin(), records.end(),
            [bound](const GraphRecord& record) { return record.time <= bound; });
        auto cut = end;
        const bool all = end == records.begin() || std::prev(end)->time < before(bound, quiet) ||
                         records.front().time < before(bound, patience);
        while (!all && cut != records.begin() && !is_seam(*std::prev(cut), setting_.functions))
            --cut;
        const auto known = cut == end ? bound : before(cut->time, 1);
        match(cpu, static_cast<std::size_t>(cut - records.begin()),
              cut == end || cut == records.begin() ? known : std::prev(cut)->time);
        until = std::min(until, known);
    }
    return until;
}

/// Joins the CPU's first `count` records with its events up to the time `until`.
void StreamAssembler::match(unsigned cpu, std::size_t count, std::uint64_t until) {
    auto& from = work_.cpus()[cpu];
    auto& state = cpus_[cpu];
    CpuCapture slice;
    const auto records_end = from.records.begin() + static_cast<std::ptrdiff_t>(count);
    slice.records.assign(from.records.begin(), records_end);
    from.records.erase(from.records.begin(), records_end);
    const auto events_end =
        std::stable_partition(from.events.begin(), from.events.end(),
                              [until](const auto& event) { return event.time <= until; });
    slice.events.assign(from.events.begin(), events_end);
    from.events.erase(from.events.begin(), events_end);
    if (slice.records.empty() && slice.events.empty()) return;

    auto joined = match_cpu(slice, setting_.functions, window_);
    auto& match = matches_[cpu];
    const auto first_event = static_cast<std::uint32_t>(match.events.size());
    const auto first_group = static_cast<std::uint32_t>(match.groups.size());
    match.events.insert(match.events.end(), joined.events.begin(), joined.events.end());
    for (auto& group : joined.groups) {
        group.first += first_event;
        match.groups.push_back(group);
    }
    state.matched.insert(state.matched.end(), slice.records.begin(), slice.records.end());
    for (const auto group : joined.group_of_record) {
        state.group_of.push_back(group == no_group ? no_group : group + first_group);
    }
    state.node_of.resize(match.groups.size(), no_node);
    packets_of_[cpu].resize(match.events.size(), no_packet);
    for (const auto& [function, calls] : joined.calls_without_event) {
        match.calls_without_event[function] += calls;
    }
    match.events_without_call += joined.events_without_call;
    match.unknown_functions += joined.unknown_functions;
}

void StreamAssembler::build(std::uint64_t until) {
    std::map<unsigned, std::size_t> at;
    for (;;) {
        Cpu* next = nullptr;
        std::size_t* position = nullptr;
        for (auto& [cpu, state] : cpus_) {
            auto& place = at[cpu];
            if (place == state.matched.size() || state.matched[place].time > until) continue;
            if (next == nullptr || state.matched[place].time < next->matched[*position].time) {
                next = &state;
                position = &place;
            }
        }
        if (next == nullptr) break;
        const auto group = next->group_of[*position];
        const auto& record = next->matched[(*position)++];
        builder_.add(record, group);
        if (record.entry && group != no_group) {
            next->node_of[group] = static_cast<NodeId>(builder_.forest().nodes.size() - 1);
        }
    }
    for (auto& [cpu, state] : cpus_) {
        const auto count = static_cast<std::ptrdiff_t>(at[cpu]);
        state.matched.erase(state.matched.begin(), state.matched.begin() + count);
        state.group_of.erase(state.group_of.begin(), state.group_of.begin() + count);
    }
}

void StreamAssembler::follow(std::uint64_t until, bool last) {
    for (;;) {
        unsigned cpu = 0;
        const EventGroup* next = nullptr;
        for (const auto& [number, state] : cpus_) {
            const auto& groups = matches_[number].groups;
            if (state.next_group == groups.size()) continue;
            const auto& group = groups[state.next_group];
            if (group.time > until || (next != nullptr && next->time <= group.time)) continue;
            next = &group;
            cpu = number;
        }
        if (next == nullptr) break;
        auto& state = cpus_[cpu];
        const auto node = state.node_of[state.next_group];
        const auto roles =
            next->function == no_function ? 0 : setting_.functions[next->function].roles;
        const bool returned = node == no_node || builder_.forest().nodes[node].end != 0;
        if (!last && !returned && PacketFollower::looks_below(roles) &&
            next->time > before(until, patience)) {
            followed_ = std::max(followed_, before(next->time, 1));
            return;
        }
        follower_.call(*next, matches_[cpu].events, node, packets_of_[cpu]);
        if (setting_.selection.filter.active()) judge(cpu, *next, node);
        ++state.next_group;
    }
    followed_ = std::max(followed_, until);
}

// ------------------------------------------------------------------------ what is wanted ------

void StreamAssembler::judge(unsigned cpu, const EventGroup& group, NodeId node) {
    const auto& filter = setting_.selection.filter;
    for (auto i = group.first; i < group.first + group.count; ++i) {
        const auto id = packets_of_[cpu][i];
        if (id == no_packet) continue;
        const auto& event = matches_[cpu].events[i];
        if (setting_.selection.marked) {
            // A call in an interrupt is nobody's doing.
            const bool own =
                node != no_node && (builder_.forest().nodes[node].flags & interrupt_flags) == 0;
            if ((event.flags & SKBTRAIL_EVENT_WANTED) != 0 && (filter.process == 0 || own)) {
                want(id);
            }
            continue;
        }
        auto& found = found_[id];
        judge_.look(event, work_.bytes_of(event), found);
        if (judge_.wants(found)) want(id);
    }
}

void StreamAssembler::want(PacketId id) {
    if (is_wanted(id) || refused_.contains(id)) return;
    const auto most = setting_.selection.filter.packets;
    if (most != 0 && packets_wanted_ >= most) {
        refused_.insert(id);
        return;
    }
    ++packets_wanted_;
    mark_wanted(id);
}

void StreamAssembler::mark_wanted(PacketId id) {
    if (wanted_.size() < id) wanted_.resize(id, false);
    wanted_[id - 1] = true;
}

/// What was made of a wanted packet, and what one went into, is wanted too.
void StreamAssembler::spread_wishes() {
    for (bool changed = true; std::exchange(changed, false);) {
        for (const auto& [id, packet] : follower_.living()) {
            for (const auto& edge : packet.edges) {
                const bool away = leads_away(edge);
                const auto from = away ? id : edge.packet;
                const auto to = away ? edge.packet : id;
                if (!is_wanted(from) || is_wanted(to)) continue;
                mark_wanted(to);
                changed = true;
            }
        }
    }
}

bool StreamAssembler::is_wanted(PacketId id) const {
    if (!setting_.selection.filter.active()) return true;
    return id != no_packet && id <= wanted_.size() && wanted_[id - 1];
}

bool StreamAssembler::is_undecided(PacketId id) const {
    return id != no_packet && !is_wanted(id) && !refused_.contains(id) &&
           follower_.living().contains(id);
}

// ----------------------------------------------------------------------- what is complete -----

void StreamAssembler::hand_on_chains(std::uint64_t until, bool last) {
    const auto& forest = builder_.forest();
    const auto open = builder_.open();
    std::vector<NodeId> outer(forest.nodes.size(), no_node);
    std::unordered_set<NodeId> waiting(open.begin(), open.end());
    for (NodeId id = 0; id < forest.nodes.size(); ++id) {
        const auto& node = forest.nodes[id];
        outer[id] = node.parent == no_node ? id : outer[node.parent];
        if (last || node.group == no_group) continue;
        const auto& state = cpus_.at(node.cpu);
        const auto& group = matches_.at(node.cpu).groups[node.group];
        bool unknown = node.group >= state.next_group;
        // Whether a packet is wanted is waited for, but not for ever.
        for (auto i = group.first; !unknown && i < group.first + group.count; ++i) {
            unknown =
                node.start > before(until, patience) && is_undecided(packets_of_.at(node.cpu)[i]);
        }
        if (unknown) waiting.insert(outer[id]);
    }
    std::map<NodeId, std::vector<NodeId>> families;
    for (const auto top : forest.tops) {
        if (!waiting.contains(outer[top])) families[outer[top]].push_back(top);
    }
    const auto name = [this](std::uint32_t tid) { return name_of(tid); };
    std::unordered_set<NodeId> gone;
    for (const auto& [first, tops] : families) {
        auto chains = writer_.chains_of(tops, name);
        if (setting_.selection.filter.active()) keep_chains(pruner_, chains);
        begin_at(chains, setting_.roots);
        for (auto& chain : chains) {
            chain.id += chains_;
            if (chain.nested_in) chain.nested_in->chain += chains_;
            sink_.chain(chain);
        }
        chains_ += static_cast<chain::ChainId>(chains.size());
        gone.insert(first);
    }
    if (!last) forget(gone);
}

void StreamAssembler::hand_on(chain::Packet packet) {
    const auto id = packet.id;
    found_.erase(id);
    refused_.erase(id);
    if (!is_wanted(id)) return;
    pruner_.prune(packet);
    name_readers(packet, [this](std::uint32_t tid) { return name_of(tid); });
    sink_.packet(packet);
}

std::string StreamAssembler::name_of(std::uint32_t tid) const {
    const auto known = names_.find(tid);
    return known == names_.end() ? setting_.name_of(tid) : known->second;
}

void StreamAssembler::forget(const std::unordered_set<NodeId>& gone) {
    const auto numbers = builder_.forget(gone);
    follower_.renumber(numbers);
    forget_events(numbers);
}

/// Forgets the events that were followed and are of no call that is left.
void StreamAssembler::forget_events(const std::vector<NodeId>& numbers) {
    auto& nodes = builder_.forest().nodes;
    for (auto& [cpu, state] : cpus_) {
        auto& match = matches_[cpu];
        auto& ids = packets_of_[cpu];
        std::vector<std::uint32_t> group_number(match.groups.size(), no_group);
        std::vector<skbtrail_event> events;
        std::vector<EventGroup> groups;
        std::vector<PacketId> packets;
        std::vector<NodeId> node_of;
        std::uint32_t next_group = 0;
        for (std::uint32_t i = 0; i < match.groups.size(); ++i) {
            const auto node = state.node_of[i] == no_node ? no_node : numbers[state.node_of[i]];
            if (node == no_node && i < state.next_group) continue;
            auto group = match.groups[i];
            const auto from = std::exchange(group.first, static_cast<std::uint32_t>(events.size()));
            for (auto event = from; event < from + group.count; ++event) {
                events.push_back(match.events[event]);
                packets.push_back(ids[event]);
            }
            group_number[i] = static_cast<std::uint32_t>(groups.size());
            if (node != no_node) nodes[node].group = group_number[i];
            if (i < state.next_group) ++next_group;
            groups.push_back(group);
            node_of.push_back(node);
        }
        for (auto& group : state.group_of) {
            if (group != no_group) group = group_number[group];
        }
        match.events = std::move(events);
        match.groups = std::move(groups);
        ids = std::move(packets);
        state.node_of = std::move(node_of);
        state.next_group = next_group;
    }
}

/// The bytes of events that were followed are not looked at again.
void StreamAssembler::forget_bytes() {
    const auto next = work_.next_bytes();
    std::uint32_t oldest = 0;  // so many before the next ones: indices count around
    const auto look = [&](const skbtrail_event& event) {
        if (event.bytes_used > 0) oldest = std::max(oldest, next - event.bytes_index);
    };
    for (const auto& [cpu, state] : cpus_) {
        const auto& match = matches_[cpu];
        const auto first = state.next_group == match.groups.size()
                               ? match.events.size()
                               : match.groups[state.next_group].first;
        for (auto i = first; i < match.events.size(); ++i) look(match.events[i]);
        for (const auto& event : work_.cpus()[cpu].events) look(event);
    }
    work_.forget_bytes(next - oldest);
}

/// Bytes that calls under way take, and what was not worked on.
std::size_t StreamAssembler::size() const {
    std::size_t bytes = builder_.forest().nodes.size() * sizeof(Node);
    for (const auto& [cpu, match] : matches_) bytes += match.events.size() * sizeof(skbtrail_event);
    for (const auto& [cpu, state] : cpus_) bytes += state.matched.size() * sizeof(GraphRecord);
    return bytes;
}

}  // namespace skbtrail::tracer
