#include "tracer/chain/recording_json.h"

#include <array>
#include <cstddef>
#include <optional>
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tracer/chain/json_members.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/json_writer.h"
#include "tracer/chain/recording_lines.h"
#include "tracer/chain/recording_parts.h"

namespace skbtrail::chain {
namespace {

constexpr DocumentKind recording_kind{"skbtrail-recording", recording_version, "a recording"};

/// Writes one element of an array, for readers who look at the file with a pager or grep.
template <typename Write>
auto on_own_line(const Write& write) {
    return [&write](JsonWriter& writer, const auto& value) {
        writer.line_break();
        write(writer, value);
    };
}

}  // namespace

void write_json(const Recording& recording, std::ostream& out) {
    JsonWriter writer(out);
    {
        Members members(writer);
        members.text("format", recording_kind.format);
        members.integer("version", recording_kind.version);
        writer.line_break();
        writer.key("observed");
        write_observed(writer, recording.observed);
        writer.line_break();
        members.array("losses", recording.losses, on_own_line(write_loss));
        writer.line_break();
        members.array("packets", recording.packets, on_own_line(write_packet));
        writer.line_break();
        members.array("chains", recording.chains, on_own_line(write_chain));
        writer.line_break();
        members.array("ring_events", recording.ring_events, on_own_line(write_ring_event));
    }
    writer.flush();
    out << '\n';
}

Recording parse_recording(std::string_view json) {
    constexpr std::array<std::string_view, 4> streamed = {"losses", "packets", "chains",
                                                          "ring_events"};
    Recording recording;
    const nlohmann::json whole;
    const JsonValue document(whole);
    // An error in an element has to wait: what the document says of itself may stand behind it,
    // and "made by a newer skbtrail" explains more than a member that is not known here.
    std::optional<FormatError> first_error;
    const auto read_element = [&](std::string_view key, std::size_t index,
                                  const nlohmann::json& element) {
        if (first_error) return;
        const nlohmann::json array = nlohmann::json::array();
        const JsonValue parent(array, document, key);
        const JsonValue value(element, parent, index);
        try {
            if (key == "losses") recording.losses.push_back(read_loss(value));
            if (key == "packets") recording.packets.push_back(read_packet(value));
            if (key == "chains") recording.chains.push_back(read_chain(value));
            if (key == "ring_events") recording.ring_events.push_back(read_ring_event(value));
        } catch (const FormatError& error) {
            first_error = error;
        }
    };
    const nlohmann::json rest = parse_json_streamed(json, streamed, read_element);
    const JsonValue rest_value(rest);
    JsonObject object = open_document(rest_value, recording_kind);
    recording.observed = read_observed(object.required("observed"));
    // A recording without its loss counters could not say that nothing was lost.
    object.required("losses").size();
    object.required("packets").size();
    object.required("chains").size();
    if (const auto events = object.find("ring_events")) events->size();
    object.finish();
    if (first_error) throw *first_error;
    check_references(recording);
    return recording;
}

RingEvent parse_ring_event(std::string_view line) {
    const nlohmann::json value = parse_json(line);
    return read_ring_event(JsonValue(value));
}

Recording load_recording(const std::string& path) {
    const std::string text = read_file(path);
    try {
        return is_recording_lines(text) ? parse_recording_lines(text) : parse_recording(text);
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("{}: {}", path, error.what()));
    }
}

}  // namespace skbtrail::chain
