#include "tracer/ftrace/format.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "tracer/chain/text.h"
#include "tracer/failure.h"
#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

/// The number behind `key` in `line`, e.g. "offset:" in "…; offset:8; size:8; …".
std::optional<std::size_t> number_after(std::string_view line, std::string_view key) {
    const auto at = line.find(key);
    if (at == std::string_view::npos) return std::nullopt;
    std::size_t value = 0;
    const char* begin = line.data() + at + key.size();
    const auto [end, error] = std::from_chars(begin, line.data() + line.size(), value);
    return error == std::errc{} && end != begin ? std::optional(value) : std::nullopt;
}

}  // namespace

std::uint64_t load(std::span<const std::byte> data, const Field& field) {
    std::uint64_t value = 0;
    std::memcpy(&value, data.data() + field.offset, std::min<std::size_t>(field.size, 8));
    return value;
}

std::optional<Field> EventFormat::field(std::string_view name) const {
    const auto field = find(name, false);
    return field && field->size <= 8 ? field : std::nullopt;
}

std::optional<Field> EventFormat::array(std::string_view name) const {
    return find(name, true);
}

std::optional<Field> EventFormat::find(std::string_view name, bool is_array) const {
    for (const auto line : chain::split_lines(text)) {
        const auto begin = line.find("field:");
        if (begin == std::string_view::npos) continue;
        const auto end = line.find(';', begin);
        auto declaration = line.substr(begin + 6, end - begin - 6);  // type and name
        const auto blank = declaration.find_last_of(" \t*");
        if (blank == std::string_view::npos) continue;
        auto declared = trim(declaration.substr(blank + 1));
        const auto bracket = declared.find('[');
        if (is_array != (bracket != std::string_view::npos)) continue;
        if (declared.substr(0, bracket) != name) continue;
        const auto offset = number_after(line, "offset:");
        const auto size = number_after(line, "size:");
        if (!offset || !size || *size == 0 || *size > 4096 || *offset > 4096) return std::nullopt;
        return Field{*offset, *size};
    }
    return std::nullopt;
}

EventFormat parse_format(std::string_view text) {
    EventFormat format;
    const auto id = number_after(text, "\nID: ");
    if (!id || *id == 0 || *id > 0xffff) {
        throw Failure(
            "An event's format file in tracefs has no line \"ID: …\": this kernel "
            "describes its trace records in a way that the collector does not know.");
    }
    format.id = static_cast<std::uint16_t>(*id);
    format.text = text;
    return format;
}

GraphDecoder::Layout GraphDecoder::layout_of(const EventFormat& format) {
    const auto need = [&format](std::string_view name) {
        const auto field = format.field(name);
        if (!field) {
            throw Failure(
                fmt::format("function_graph's records have no field \"{}\" on this "
                            "kernel: the collector cannot read them.",
                            name));
        }
        return *field;
    };
    Layout layout;
    layout.id = format.id;
    layout.flags = need("common_flags");
    layout.pid = need("common_pid");
    layout.func = need("func");
    layout.depth = need("depth");
    layout.overrun = format.field("overrun");
    for (const auto& field : {layout.flags, layout.pid, layout.func, layout.depth}) {
        layout.size = std::max(layout.size, field.offset + field.size);
    }
    if (layout.overrun) {
        layout.size = std::max(layout.size, layout.overrun->offset + layout.overrun->size);
    }
    return layout;
}

GraphDecoder::GraphDecoder(const EventFormat& entry, const EventFormat& exit)
    : entry_(layout_of(entry)), exit_(layout_of(exit)) {}

std::optional<GraphRecord> GraphDecoder::decode(std::span<const std::byte> data) const {
    if (data.size() < 2) return std::nullopt;
    const auto id = static_cast<std::uint16_t>(load(data, Field{0, 2}));
    const Layout* layout = id == entry_.id ? &entry_ : id == exit_.id ? &exit_ : nullptr;
    if (layout == nullptr || data.size() < layout->size) return std::nullopt;
    GraphRecord record;
    record.entry = layout == &entry_;
    record.flags = static_cast<std::uint8_t>(load(data, layout->flags));
    record.pid = static_cast<std::uint32_t>(load(data, layout->pid));
    record.site = load(data, layout->func);
    record.depth = static_cast<std::int32_t>(load(data, layout->depth));
    if (layout->overrun) record.overrun = static_cast<std::uint32_t>(load(data, *layout->overrun));
    return record;
}

}  // namespace skbtrail::tracer
