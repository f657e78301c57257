#include "tests/guest/identity_grade.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace skbtrail::tests {

namespace {

using chain::Packet;
using chain::PacketId;

constexpr std::size_t problems_told = 20;

/// The serial number in a packet's headers; 0: it has none.
std::uint32_t serial_of(const Packet& packet) {
    const auto payload = packet.headers.find("payload");
    const auto prefix = payload_word(0).substr(0, 8);
    if (payload == packet.headers.end() || !payload->second.starts_with(prefix) ||
        payload->second.size() < 16) {
        return 0;
    }
    std::uint32_t serial = 0;
    const auto* digits = payload->second.data() + prefix.size();
    std::from_chars(digits, digits + 8, serial, 16);
    return serial == 0xffffffff ? 0 : serial;
}

/// The packets of one serial number, and whether edges make them one history.
struct History {
    std::vector<const Packet*> packets;
    bool connected = false;
};

bool are_connected(const std::vector<const Packet*>& packets) {
    std::map<PacketId, std::size_t> place;
    for (std::size_t i = 0; i < packets.size(); ++i) place[packets[i]->id] = i;
    std::vector<std::size_t> group(packets.size());
    std::iota(group.begin(), group.end(), std::size_t{0});
    for (const auto* packet : packets) {
        for (const auto& edge : packet->edges) {
            const auto other = place.find(edge.packet);
            if (other == place.end()) continue;
            const auto from = group[place.at(packet->id)];
            const auto to = group[other->second];
            std::replace(group.begin(), group.end(), from, to);
        }
    }
    return std::all_of(group.begin(), group.end(),
                       [&](std::size_t one) { return one == group.front(); });
}

std::map<std::uint32_t, History> histories_of(const chain::Recording& recording) {
    std::map<std::uint32_t, History> histories;
    for (const auto& packet : recording.packets) {
        if (const auto serial = serial_of(packet)) histories[serial].packets.push_back(&packet);
    }
    for (auto& [serial, history] : histories) history.connected = are_connected(history.packets);
    return histories;
}

/// Fates of all sk_buffs that held these packets.
std::vector<chain::Fate> fates_of(const History& history) {
    std::vector<chain::Fate> fates;
    for (const auto* packet : history.packets) {
        if (packet->fates.empty()) fates.push_back(packet->fate);
        fates.insert(fates.end(), packet->fates.begin(), packet->fates.end());
    }
    return fates;
}

std::size_t count_fates(const History& history,
                        const std::function<bool(const chain::Fate&)>& wanted) {
    const auto fates = fates_of(history);
    return static_cast<std::size_t>(std::count_if(fates.begin(), fates.end(), wanted));
}

/// How often a program read it from a socket, as the recording has it.
std::size_t count_reads(const History& history, std::uint64_t inode) {
    return count_fates(history, [inode](const chain::Fate& fate) {
        return fate.kind == "delivered" && fate.socket == inode && fate.comm == "traffic";
    });
}

/// A whole recording, by packet and by serial number.
struct Known {
    std::map<PacketId, const Packet*> packets;
    std::map<std::uint32_t, History> histories;
};

/// The packets that have the data of this history in the end.
History last_of(const Known& known, const History& history) {
    History last;
    for (const auto* packet : history.packets) {
        // Nothing goes into itself, so no way is longer than there are packets.
        for (std::size_t i = 0; i < known.packets.size() && packet->fate.into; ++i) {
            packet = known.packets.at(*packet->fate.into);
        }
        if (std::find(last.packets.begin(), last.packets.end(), packet) == last.packets.end()) {
            last.packets.push_back(packet);
        }
    }
    return last;
}

bool has_edge(const History& history, std::string_view kind, const History& other) {
    for (const auto* packet : history.packets) {
        for (const auto& edge : packet->edges) {
            if (edge.kind != kind) continue;
            if (std::any_of(other.packets.begin(), other.packets.end(),
                            [&](const Packet* one) { return one->id == edge.packet; })) {
                return true;
            }
        }
    }
    return false;
}

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

void read_sockets(const std::string& output, Truth& truth) {
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
    for (const char* name : {"udp", "packet"}) {
        if (!truth.sockets.contains(name)) {
            throw std::runtime_error(fmt::format("no word of the {} socket in: {}", name, output));
        }
    }
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
    Known known{{}, histories_of(recording)};
    for (const auto& packet : recording.packets) known.packets[packet.id] = &packet;
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
        } else if (result.problems.size() < problems_told) {
            if (history != histories.end()) {
                for (const auto* packet : history->second.packets) {
                    problem += fmt::format("; #{} {} {} {}", packet->id, packet->fate.kind,
                                           packet->fate.function, packet->fate.reason);
                }
            }
            result.problems.push_back(
                fmt::format("{} ({}): {}", frame.serial, name_of(frame.errand), problem));
        }
    }
    return result;
}

}  // namespace skbtrail::tests
