#include "tests/guest/identity_grade.h"

#include <sstream>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace skbtrail::tests {

namespace {

constexpr std::size_t problems_told = 20;

/// What is wrong with how it belongs to the first of its datagram, burst or message; empty:
/// nothing.
std::string wrong_edges(const SerialFrame& frame, const History& history, const Known& known) {
    const auto found = known.histories.find(frame.first);
    if (found == known.histories.end()) return "the first of its message is missing";
    const auto& first = found->second;
    if (frame.serial == frame.first) return {};
    switch (frame.errand) {
        case Errand::cut:
            return has_edge(history, "segment", first) ? "" : "no edge to what it was cut from";
        case Errand::piece:
            return has_edge(history, "fragment", first) ? "" : "no edge to what it is a piece of";
        case Errand::fragment:
            return has_edge(history, "reassemble", first) ? "" : "no edge to what it became";
        default:
            return {};
    }
}

bool dropped_for(const History& history, std::string_view reason) {
    return count_fates(history, [&](const chain::Fate& fate) {
               return fate.kind == "dropped" && fate.reason == reason;
           }) == 1;
}

/// What is wrong with the fate that the recording tells; empty: nothing.
std::string wrong_fate(const SerialFrame& frame, const History& history, const Known& known,
                       const Truth& truth) {
    const auto expect = [](bool right, const char* what) { return std::string(right ? "" : what); };
    const auto& udp = truth.sockets.at("udp");
    const auto& packet = truth.sockets.at("packet");
    const bool read = udp.serials.contains(frame.serial);
    // GRO merges before a packet socket is shown anything.
    const auto last = last_of(known, history);
    const auto shown = count_reads(frame.errand == Errand::segment ? last : history, packet.inode);
    if (shown != packet.serials.count(frame.serial)) {
        return fmt::format("the packet socket had it {} times, the recording says {}",
                           packet.serials.count(frame.serial), shown);
    }
    if (auto wrong = wrong_edges(frame, history, known); !wrong.empty()) return wrong;
    switch (frame.errand) {
        case Errand::delivered:
            if (!read) return "the program did not read it";
            return expect(count_reads(history, udp.inode) == 1, "not delivered to that socket");
        case Errand::nobody:
            return expect(dropped_for(history, "NO_SOCKET"), "not dropped for NO_SOCKET");
        case Errand::filtered:
            return expect(dropped_for(history, "NETFILTER_DROP"), "not dropped for NETFILTER_DROP");
        case Errand::spoilt:
            return expect(dropped_for(history, "UDP_CSUM"), "not dropped for UDP_CSUM");
        case Errand::tagged:
            if (history.packets.front()->headers.count("vlan.id") == 0) return "no VLAN";
            return expect(dropped_for(history, "OTHERHOST"), "not dropped for OTHERHOST");
        case Errand::fragment:
            if (!read) return "the program did not read it";
            return expect(last.packets.size() == 1 && count_reads(last, udp.inode) == 1,
                          "what it became was not delivered to that socket");
        case Errand::segment:
            return expect(last.packets.size() == 1 && dropped_for(last, "NO_SOCKET"),
                          "not dropped for NO_SOCKET, alone or merged");
        case Errand::forwarded:
        case Errand::sent:
        case Errand::cut:
        case Errand::piece:
            return expect(
                count_fates(history, [](const auto& fate) { return fate.kind == "transmitted"; }) ==
                    1,
                "not transmitted");
    }
    return "an errand that nobody knows";
}

/// What the NIC counted that the recording cannot change: did each frame come and go as it should?
std::string wrong_count(const SerialFrame& frame, std::size_t in, std::size_t out) {
    const bool comes = frame.errand < Errand::sent;
    const std::size_t wanted_in = comes ? 1 : 0;
    const bool leaves = !comes || frame.errand == Errand::forwarded;
    if (in == wanted_in && out == (leaves ? 1U : 0U)) return {};
    return fmt::format("the NIC counted it {} in and {} out", in, out);
}

}  // namespace

void read_sockets(const std::string& output, const std::vector<std::string>& names, Truth& truth) {
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        std::uint64_t inode = 0;
        char colon = 0;
        if (!(words >> name >> inode >> colon) || colon != ':') continue;
        auto& socket = truth.sockets[name];
        socket.inode = inode;
        for (std::uint32_t serial = 0; words >> serial;) socket.serials.insert(serial);
    }
    for (const auto& name : names) {
        if (!truth.sockets.contains(name)) {
            throw std::runtime_error(fmt::format("no word of the {} socket in: {}", name, output));
        }
    }
}

void Grade::tell(std::uint32_t serial, const char* what, std::string problem,
                 const History* history) {
    if (problems.size() >= problems_told) return;
    if (history != nullptr) {
        for (const auto* packet : history->packets) {
            problem += fmt::format("; #{} {} {} {}", packet->id, packet->fate.kind,
                                   packet->fate.function, packet->fate.reason);
        }
    }
    problems.push_back(fmt::format("{} ({}): {}", serial, what, problem));
}

std::string Grade::text() const {
    auto text = fmt::format("precision {:.3f} ({} of {} packets), recall {:.3f} ({} of {} serials)",
                            precision(), right, packets, recall(), found, serials);
    for (const auto& problem : problems) text += "\n  " + problem;
    return text;
}

Grade grade(const chain::Recording& recording, const Truth& truth) {
    Grade result;
    std::map<std::uint32_t, std::pair<std::size_t, std::size_t>> counted;  // in, out
    for (const auto& frame : truth.captured) {
        for (const auto serial : frame.serials) {
            ++(frame.from_guest ? counted[serial].second : counted[serial].first);
        }
    }
    const auto known = known_of(recording, truth.captured);
    const auto& histories = known.histories;
    for (const auto& [serial, history] : histories) result.packets += history.packets.size();
    for (const auto& frame : truth.frames) {
        ++result.serials;
        const auto [in, out] = counted[frame.serial];
        auto problem = wrong_count(frame, in, out);
        const auto history = histories.find(frame.serial);
        if (problem.empty() && history == histories.end()) problem = "no packet carries it";
        if (problem.empty() && !history->second.connected) {
            problem = fmt::format("{} packets carry it, and edges do not join them",
                                  history->second.packets.size());
        }
        if (problem.empty()) problem = wrong_fate(frame, history->second, known, truth);
        if (problem.empty()) {
            ++result.found;
            result.right += history->second.packets.size();
        } else {
            result.tell(frame.serial, name_of(frame.errand), problem,
                        history == histories.end() ? nullptr : &history->second);
        }
    }
    return result;
}

}  // namespace skbtrail::tests
