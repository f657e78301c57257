// From raw records to chains and packets, while they come: each is handed on as soon as nothing
// more can be said of it, and forgotten.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tracer/assemble.h"
#include "tracer/capture.h"
#include "tracer/chain/recording.h"
#include "tracer/filter/select.h"
#include "tracer/following/packets.h"
#include "tracer/function_table.h"
#include "tracer/merge.h"
#include "tracer/stream/inbox.h"
#include "tracer/tree.h"

namespace skbtrail::tracer {

/// Takes what is complete.
class StreamSink {
  public:
    StreamSink() = default;
    StreamSink(const StreamSink&) = delete;
    StreamSink& operator=(const StreamSink&) = delete;
    virtual ~StreamSink() = default;

    virtual void chain(const chain::Chain& chain) = 0;
    virtual void packet(const chain::Packet& packet) = 0;
};

/// What an assembly needs to know; must outlive it.
struct StreamSetting {
    const FunctionTable& functions;
    const GraphDecoder& decoder;
    const KprobeDecoder* kprobes;  ///< null: events come from a ring buffer of their own
    const std::vector<std::string>& drop_reasons;
    const Selection& selection;
    const std::vector<std::string>& roots;  ///< globs: Options::roots
    NameOf name_of;                         ///< of a thread that no event named
    std::size_t limit = 0;                  ///< bytes that calls under way may take, about
};

class StreamAssembler {
  public:
    StreamAssembler(const StreamSetting& setting, StreamSink& sink);
    StreamAssembler(const StreamAssembler&) = delete;
    StreamAssembler& operator=(const StreamAssembler&) = delete;

    /// Window::begin: call it before anything is added.
    void begin(std::uint64_t time) { window_.begin = time; }
    /// Works on what came, as far as nothing earlier can come any more.
    void add(Delivery delivery);
    /// Nothing more comes: the rest, complete or not. `end`: Window::end.
    void finish(std::uint64_t end);

    /// What was not seen so far, without the counters that only the kernel knows.
    [[nodiscard]] std::vector<chain::Loss> losses() const;
    [[nodiscard]] std::optional<std::uint64_t> page_offset() const { return work_.page_offset(); }
    /// Adds what was counted instead of being told (Identity::counts).
    void add_counts(unsigned cpu, const CpuCounts& counts);

  private:
    struct Cpu {
        std::vector<GraphRecord> matched;     ///< not in the forest yet
        std::vector<std::uint32_t> group_of;  ///< of each of them; no_group
        std::vector<NodeId> node_of;          ///< per group; no_node
        std::uint32_t next_group = 0;         ///< the first that was not followed
        std::uint64_t pages_until = 0;        ///< all earlier records are here
        bool gap = false;                     ///< records are missing before the next one
    };

    void decode(Delivery delivery);
    [[nodiscard]] std::uint64_t bound_of(unsigned cpu) const;
    std::uint64_t match_all();
    void match(unsigned cpu, std::size_t records, std::uint64_t until);
    void build(std::uint64_t until);
    void follow(std::uint64_t until, bool last);
    void judge(unsigned cpu, const EventGroup& group, NodeId node);
    void want(chain::PacketId id);
    void mark_wanted(chain::PacketId id);
    void spread_wishes();
    [[nodiscard]] bool is_wanted(chain::PacketId id) const;
    [[nodiscard]] bool is_undecided(chain::PacketId id) const;
    void hand_on_chains(std::uint64_t until, bool last);
    void hand_on(chain::Packet packet);
    [[nodiscard]] std::string name_of(std::uint32_t tid) const;
    void forget(const std::unordered_set<NodeId>& gone);
    void forget_events(const std::vector<NodeId>& numbers);
    void forget_bytes();
    [[nodiscard]] std::size_t size() const;

    StreamSetting setting_;
    StreamSink& sink_;
    Window window_;
    Capture work_;  ///< decoded, not matched yet; and the counters of all that came
    std::map<unsigned, Cpu> cpus_;
    std::uint64_t events_until_ = 0;
    std::map<unsigned, CpuMatch> matches_;
    PacketsOfEvents packets_of_;
    ForestBuilder builder_;
    PacketFollower follower_;
    ChainWriter writer_;
    Pruner pruner_;
    FieldJudge judge_;
    std::uint64_t followed_ = 0;  ///< every event up to this time was
    std::unordered_map<std::uint32_t, std::string> names_;
    std::vector<bool> wanted_;  ///< by packet: its id minus 1
    std::unordered_map<chain::PacketId, Found> found_;
    std::unordered_set<chain::PacketId> refused_;  ///< came after as many as were asked for
    std::uint32_t packets_wanted_ = 0;
    chain::ChainId chains_ = 0;
};

}  // namespace skbtrail::tracer
