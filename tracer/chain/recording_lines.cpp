#include "tracer/chain/recording_lines.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <sstream>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tracer/chain/json_members.h"
#include "tracer/chain/recording_parts.h"

namespace skbtrail::chain {

namespace {

constexpr DocumentKind lines_kind{"skbtrail-recording-lines", recording_version,
                                  "a recording's lines"};

template <typename Write>
std::string line(const Write& write) {
    std::ostringstream text;
    {
        JsonWriter writer(text);
        {
            Members members(writer);
            write(members, writer);
        }
    }
    return std::move(text).str() + '\n';
}

std::string_view first_of(std::string_view text) {
    return text.substr(0, text.find('\n'));
}

/// Reads one line into the recording; true when it was the last one.
bool read_line(std::string_view text, Recording& recording) {
    const auto json = parse_json(text);
    const JsonValue value(json);
    JsonObject object(value);
    if (const auto chain = object.find("chain")) {
        recording.chains.push_back(read_chain(*chain));
        object.finish();
        return false;
    }
    if (const auto packet = object.find("packet")) {
        recording.packets.push_back(read_packet(*packet));
        object.finish();
        return false;
    }
    recording.observed = read_observed(object.required("observed"));
    recording.losses = read_array(object.required("losses"), read_loss);
    object.finish();
    return true;
}

/// Removes what refers to packets that are not there.
class Trimmer {
  public:
    explicit Trimmer(const Recording& recording) {
        for (const auto& packet : recording.packets) there_.insert(packet.id);
    }

    void trim(Call& call) const {
        for (auto& skb : call.skbs) {
            if (skb.packet && !there_.contains(*skb.packet)) skb.packet.reset();
        }
        for (auto& below : call.calls) trim(below);
    }

    void trim(Packet& packet) const {
        std::erase_if(packet.edges,
                      [this](const auto& edge) { return !there_.contains(edge.packet); });
        trim(packet.fate);
        for (auto& fate : packet.fates) trim(fate);
    }

  private:
    void trim(Fate& fate) const {
        if (fate.into && !there_.contains(*fate.into)) fate.into.reset();
    }

    std::unordered_set<PacketId> there_;
};

void trim(Recording& recording) {
    const Trimmer trimmer(recording);
    for (auto& chain : recording.chains) trimmer.trim(chain.root);
    for (auto& packet : recording.packets) trimmer.trim(packet);
    recording.losses.push_back(
        {"lines_cut", std::nullopt, 1,
         "the last line is missing: the collector was killed, or its output cut; what came after, "
         "and what else was lost, is not known"});
}

}  // namespace

std::string first_line(const Observed& observed) {
    return line([&](Members& members, JsonWriter& writer) {
        members.text("format", lines_kind.format);
        members.integer("version", lines_kind.version);
        writer.key("observed");
        write_observed(writer, observed);
    });
}

std::string line_of(const Chain& chain) {
    return line([&](Members&, JsonWriter& writer) {
        writer.key("chain");
        write_chain(writer, chain);
    });
}

std::string line_of(const Packet& packet) {
    return line([&](Members&, JsonWriter& writer) {
        writer.key("packet");
        write_packet(writer, packet);
    });
}

std::string last_line(const Observed& observed, const std::vector<Loss>& losses) {
    return line([&](Members& members, JsonWriter& writer) {
        writer.key("observed");
        write_observed(writer, observed);
        members.array("losses", losses, write_loss);
    });
}

bool is_recording_lines(std::string_view text) {
    return first_of(text).find(fmt::format("\"{}\"", lines_kind.format)) != std::string_view::npos;
}

Recording parse_recording_lines(std::string_view text) {
    Recording recording;
    std::size_t number = 1;
    bool complete = false;
    try {
        const auto header = first_of(text);
        const auto json = parse_json(header);
        const JsonValue value(json);
        JsonObject object = open_document(value, lines_kind);
        recording.observed = read_observed(object.required("observed"));
        object.finish();
        text.remove_prefix(std::min(header.size() + 1, text.size()));
        while (!text.empty()) {
            const auto end = text.find('\n');
            if (end == std::string_view::npos) break;  // cut off while it was written
            ++number;
            const auto one = text.substr(0, end);
            text.remove_prefix(end + 1);
            if (complete) throw FormatError("nothing is expected behind the last line");
            complete = read_line(one, recording);
        }
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("line {}: {}", number, error.what()));
    }
    std::sort(recording.packets.begin(), recording.packets.end(),
              [](const auto& left, const auto& right) { return left.id < right.id; });
    std::stable_sort(
        recording.chains.begin(), recording.chains.end(),
        [](const auto& left, const auto& right) { return left.root.start < right.root.start; });
    if (!complete) trim(recording);
    check_references(recording);
    return recording;
}

}  // namespace skbtrail::chain
