#include "tests/guest/identity_history.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <numeric>
#include <string>

namespace skbtrail::tests {

using chain::Packet;
using chain::PacketId;

namespace {

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

/// Tells packets whose payload could not be read by what the NIC saw: of the packets with one
/// identification in their IP headers the first one that was sent is the first frame with it, and
/// so on. (The segments of one datagram may have those of the next one.)
class Unread {
  public:
    explicit Unread(const std::vector<CapturedFrame>& captured) {
        for (const auto& frame : captured) {
            if (!frame.from_guest) continue;
            frames_[std::to_string(frame.ip_id)].push_back(frame.serials.front());
        }
    }

    /// Its serial number; 0: it can be read, or nobody knows. Called in the order of sending.
    std::uint32_t serial_of(const Packet& packet) {
        const auto id = packet.headers.find("ip.id");
        if (!packet.headers.contains("unread") || id == packet.headers.end()) return 0;
        if (packet.fate.kind != "transmitted") return 0;
        auto& frames = frames_[id->second];
        if (frames.empty()) return 0;
        const auto serial = frames.front();
        frames.pop_front();
        for (const auto& edge : packet.edges) {
            if (edge.kind == "segment") wholes_.try_emplace(edge.packet, serial);
        }
        return serial;
    }

    /// By packet that was cut: the serial number that it begins with.
    [[nodiscard]] const std::map<PacketId, std::uint32_t>& wholes() const { return wholes_; }

  private:
    std::map<std::string, std::deque<std::uint32_t>> frames_;
    std::map<PacketId, std::uint32_t> wholes_;
};

std::map<std::uint32_t, History> histories_of(const chain::Recording& recording,
                                              const std::vector<CapturedFrame>& captured) {
    Unread unread(captured);
    std::map<std::uint32_t, History> histories;
    for (const auto& packet : recording.packets) {
        auto serial = serial_of(packet);
        if (serial == 0) serial = unread.serial_of(packet);
        if (serial != 0) histories[serial].packets.push_back(&packet);
    }
    for (const auto& packet : recording.packets) {
        const auto whole = unread.wholes().find(packet.id);
        if (whole == unread.wholes().end() || serial_of(packet) != 0) continue;
        histories[whole->second].packets.push_back(&packet);
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

}  // namespace

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

Known known_of(const chain::Recording& recording, const std::vector<CapturedFrame>& captured) {
    Known known{{}, histories_of(recording, captured)};
    for (const auto& packet : recording.packets) known.packets[packet.id] = &packet;
    return known;
}

std::size_t count_fates(const History& history,
                        const std::function<bool(const chain::Fate&)>& wanted) {
    const auto fates = fates_of(history);
    return static_cast<std::size_t>(std::count_if(fates.begin(), fates.end(), wanted));
}

std::size_t count_reads(const History& history, std::uint64_t inode) {
    return count_fates(history, [inode](const chain::Fate& fate) {
        return fate.kind == "delivered" && fate.socket == inode && fate.comm == "traffic";
    });
}

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

}  // namespace skbtrail::tests
