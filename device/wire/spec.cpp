#include "device/wire/spec.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "device/parse_number.h"
#include "device/wire/suggest.h"

namespace skbtrail::device {

namespace {

/// Splits at single commas; a double one is a comma of the text.
std::vector<std::string> split_at_commas(std::string_view text) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != ',') {
            parts.back() += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == ',') {
            parts.back() += ',';
            ++i;
        } else {
            parts.emplace_back();
        }
    }
    return parts;
}

const WireOption* find_option(std::span<const WireOption> known, std::string_view key) {
    const auto found = std::ranges::find_if(known, [key](const WireOption& option) {
        return option.key.ends_with('.')
                   ? key.starts_with(option.key) && key.size() > option.key.size()
                   : key == option.key;
    });
    return found == known.end() ? nullptr : &*found;
}

}  // namespace

WireSpec parse_wire_spec(std::string_view text) {
    const auto parts = split_at_commas(text);
    WireSpec spec;
    spec.kind = parts.front();
    if (spec.kind.empty()) {
        throw std::invalid_argument(
            fmt::format("--wire \"{}\" names no kind of wire; expected KIND[,key=value…], for "
                        "example nat",
                        text));
    }
    for (const auto& part : std::span(parts).subspan(1)) {
        const auto equals = part.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw std::invalid_argument(fmt::format(
                "--wire {}: \"{}\" is not of the form key=value (a comma inside a value is "
                "written twice)",
                spec.kind, part));
        }
        spec.options.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    }
    return spec;
}

WireOptions::WireOptions(const WireSpec& spec, std::span<const WireOption> known) : spec_(spec) {
    std::vector<std::string_view> keys;
    for (const auto& option : known) {
        keys.push_back(option.key);
    }
    for (auto it = spec.options.begin(); it != spec.options.end(); ++it) {
        const auto& key = it->first;
        const WireOption* option = find_option(known, key);
        if (option == nullptr) {
            throw std::invalid_argument(keys.empty()
                                            ? fmt::format("--wire {} takes no options, but \"{}\" "
                                                          "was given",
                                                          spec.kind, key)
                                            : fmt::format("--wire {} has no option \"{}\"{}",
                                                          spec.kind, key, did_you_mean(key, keys)));
        }
        const bool earlier = std::any_of(spec.options.begin(), it,
                                         [&key](const auto& other) { return other.first == key; });
        if (earlier && !option->repeatable) {
            throw std::invalid_argument(
                fmt::format("--wire {} gives \"{}\" twice; once is enough", spec.kind, key));
        }
    }
}

std::optional<std::string> WireOptions::text(std::string_view key) const {
    for (const auto& [name, value] : spec_.options) {
        if (name == key) {
            return value;
        }
    }
    return std::nullopt;
}

std::vector<std::string> WireOptions::all(std::string_view key) const {
    std::vector<std::string> values;
    for (const auto& [name, value] : spec_.options) {
        if (name == key) {
            values.push_back(value);
        }
    }
    return values;
}

bool WireOptions::on_off(std::string_view key, bool otherwise) const {
    const auto value = text(key);
    if (!value) {
        return otherwise;
    }
    if (*value != "on" && *value != "off") {
        fail(key, "expected \"on\" or \"off\"");
    }
    return *value == "on";
}

std::optional<std::uint64_t> WireOptions::number(std::string_view key, std::uint64_t least,
                                                 std::uint64_t greatest) const {
    const auto value = text(key);
    if (!value) {
        return std::nullopt;
    }
    const auto number = parse_number<std::uint64_t>(*value);
    if (!number || *number < least || *number > greatest) {
        fail(key, greatest == std::numeric_limits<std::uint64_t>::max()
                      ? fmt::format("expected a whole number from {} on", least)
                      : fmt::format("expected a whole number from {} to {}", least, greatest));
    }
    return number;
}

std::vector<std::pair<std::string, std::string>> WireOptions::beginning_with(
    std::string_view prefix) const {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& [name, value] : spec_.options) {
        if (name.starts_with(prefix)) {
            found.emplace_back(name.substr(prefix.size()), value);
        }
    }
    return found;
}

void WireOptions::fail(std::string_view key, std::string_view sentence) const {
    throw std::invalid_argument(
        fmt::format("--wire {}: {}={}: {}", spec_.kind, key, text(key).value_or(""), sentence));
}

}  // namespace skbtrail::device
