// A stream of TCP against the recording of it: grade_stream() of identity_grade.h.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "tests/guest/identity_grade.h"

namespace skbtrail::tests {

namespace {

using chain::Packet;

/// How often the NIC saw frames that begin with a serial number.
struct Counted {
    std::size_t out = 0;
    std::size_t in = 0;
};

std::map<std::uint32_t, Counted> count(const Truth& truth) {
    std::map<std::uint32_t, Counted> counted;
    for (const auto& frame : truth.captured) {
        ++(frame.from_guest ? counted[frame.serials.front()].out
                            : counted[frame.serials.front()].in);
    }
    return counted;
}

/// By packet: the serial numbers of what was cut from it.
std::map<chain::PacketId, std::multiset<std::uint32_t>> segments_of(const Known& known) {
    std::map<chain::PacketId, std::multiset<std::uint32_t>> segments;
    for (const auto& [serial, history] : known.histories) {
        for (const auto* packet : history.packets) {
            for (const auto& edge : packet->edges) {
                if (edge.kind == "segment") segments[edge.packet].insert(serial);
            }
        }
    }
    return segments;
}

bool is_transmitted(const chain::Fate& fate) {
    return fate.kind == "transmitted";
}

class StreamGrader {
  public:
    StreamGrader(const chain::Recording& recording, const Truth& truth, bool cut)
        : truth_(truth),
          cut_(cut),
          known_(known_of(recording, truth.captured)),
          segments_(segments_of(known_)) {}

    Grade grade() {
        for (const auto& [serial, history] : known_.histories) {
            result_.packets += history.packets.size();
        }
        for (const auto& [serial, counted] : count(truth_)) {
            ++result_.serials;
            const auto history = known_.histories.find(serial);
            const bool there = history != known_.histories.end();
            const auto problem =
                there ? wrong(serial, counted, history->second) : "no packet carries it";
            if (problem.empty()) {
                ++result_.found;
                result_.right += history->second.packets.size();
            } else {
                result_.tell(serial, counted.in > 0 ? "came" : "went", problem,
                             there ? &history->second : nullptr);
            }
        }
        return result_;
    }

  private:
    std::string wrong(std::uint32_t serial, const Counted& counted, const History& history) const {
        if (!history.connected) {
            return fmt::format("{} packets carry it, and edges do not join them",
                               history.packets.size());
        }
        const auto sent = count_fates(history, is_transmitted);
        if (sent != counted.out) {
            return fmt::format("the NIC counted it {} out, the recording {}", counted.out, sent);
        }
        if (counted.in > 0) return wrong_delivery(serial, history);
        return cut_ ? wrong_cut(serial, history) : "";
    }

    std::string wrong_delivery(std::uint32_t serial, const History& history) const {
        const auto& socket = truth_.sockets.at("tcp");
        if (!socket.serials.contains(serial)) return "the program did not read it";
        const auto last = last_of(known_, history);
        if (last.packets.size() != 1) return "it is in several packets in the end";
        return count_reads(last, socket.inode) == 1 ? "" : "not delivered to that socket";
    }

    /// Of all packets that carry it one was given to the driver: it is a segment, or was never cut.
    std::string wrong_cut(std::uint32_t serial, const History& history) const {
        for (const auto* packet : history.packets) {
            if (const auto pieces = segments_.find(packet->id); pieces != segments_.end()) {
                if (auto wrong = wrong_pieces(serial, pieces->second); !wrong.empty()) return wrong;
            }
            for (const auto& edge : packet->edges) {
                if (edge.kind != "segment") continue;
                const auto whole = known_.packets.find(edge.packet);
                if (whole == known_.packets.end()) return "cut from a packet that is not there";
                const auto first = serial_of(*whole->second);
                if (first == 0 || first > serial) return "cut from a packet that has it not";
                if (segments_.at(edge.packet).count(serial) != 1)
                    return "cut twice from one packet";
            }
        }
        return {};
    }

    /// What was cut from one packet follows each other, and begins with what that begins with.
    static std::string wrong_pieces(std::uint32_t first,
                                    const std::multiset<std::uint32_t>& pieces) {
        auto next = first;
        for (const auto piece : pieces) {
            if (piece != next++) return fmt::format("{} is missing of what was cut from it", next);
        }
        return {};
    }

    const Truth& truth_;
    bool cut_;
    Known known_;
    std::map<chain::PacketId, std::multiset<std::uint32_t>> segments_;
    Grade result_;
};

}  // namespace

Grade grade_stream(const chain::Recording& recording, const Truth& truth, bool cut) {
    return StreamGrader(recording, truth, cut).grade();
}

}  // namespace skbtrail::tests
