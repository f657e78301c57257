#include "device/wire/script_json.h"

#include <charconv>
#include <span>

#include <fmt/format.h>

#include "device/wire/suggest.h"

namespace skbtrail::device {

namespace {

/// A key as a part of a JSON pointer.
std::string pointer_part(std::string_view key) {
    std::string result;
    for (const char c : key) {
        result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return result;
}

/// The value, short enough for an error message.
std::string shown(const nlohmann::json& value) {
    constexpr std::size_t longest = 40;
    if (value.is_object() || value.is_array()) {
        return fmt::format("an {}", value.type_name());
    }
    std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    return text.size() <= longest ? text : text.substr(0, longest) + "…";
}

}  // namespace

void JsonNode::fail(std::string_view sentence) const {
    throw ScriptError(
        fmt::format("{}: at {}: {}", *file_, pointer_.empty() ? "the top" : pointer_, sentence));
}

void JsonNode::expect(bool is_so, std::string_view what) const {
    if (!is_so) {
        fail(fmt::format("expected {}, came {}", what, shown(*value_)));
    }
}

void JsonNode::check_keys(std::initializer_list<std::string_view> known) const {
    expect(value_->is_object(), "an object");
    for (const auto& [key, value] : value_->items()) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            fail(fmt::format("there is no \"{}\" here{}", key,
                             did_you_mean(key, std::span(known.begin(), known.size()))));
        }
    }
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
    expect(value_->is_object(), "an object");
    const auto found = value_->find(key);
    if (found == value_->end()) {
        return std::nullopt;
    }
    return JsonNode(*found, *file_, pointer_ + "/" + pointer_part(key));
}

JsonNode JsonNode::require(std::string_view key, std::string_view meaning) const {
    auto found = find(key);
    if (!found) {
        fail(fmt::format("\"{}\" is missing: {}", key, meaning));
    }
    return *found;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
    expect(value_->is_object(), "an object");
    std::vector<std::pair<std::string, JsonNode>> result;
    for (const auto& [key, value] : value_->items()) {
        result.emplace_back(key, JsonNode(value, *file_, pointer_ + "/" + pointer_part(key)));
    }
    return result;
}

std::vector<JsonNode> JsonNode::elements(std::size_t most) const {
    expect(value_->is_array(), "an array");
    if (value_->size() > most) {
        fail(fmt::format("{} elements are too many; at most {}", value_->size(), most));
    }
    std::vector<JsonNode> result;
    result.reserve(value_->size());
    for (std::size_t i = 0; i < value_->size(); ++i) {
        result.emplace_back((*value_)[i], *file_, fmt::format("{}/{}", pointer_, i));
    }
    return result;
}

std::string JsonNode::text() const {
    expect(value_->is_string(), "a string");
    return value_->get<std::string>();
}

bool JsonNode::boolean() const {
    expect(value_->is_boolean(), "true or false");
    return value_->get<bool>();
}

std::uint64_t JsonNode::number(std::uint64_t least, std::uint64_t greatest) const {
    const bool whole = value_->is_number_unsigned();  // what is negative or has a point is not
    const auto number = whole ? value_->get<std::uint64_t>() : 0;
    expect(whole && number >= least && number <= greatest,
           fmt::format("a whole number from {} to {}", least, greatest));
    return number;
}

std::string JsonNode::text_or_number() const {
    expect(value_->is_string() || value_->is_number_unsigned(), "a string or a whole number");
    return value_->is_string() ? value_->get<std::string>()
                               : std::to_string(value_->get<std::uint64_t>());
}

std::vector<std::byte> JsonNode::hex_bytes() const {
    const std::string digits = text();
    std::vector<std::byte> bytes;
    const char* at = digits.data();
    const char* const end = at + digits.size();
    while (at != end) {
        if (*at == ' ') {
            ++at;
            continue;
        }
        unsigned char octet = 0;
        const char* const next = end - at >= 2 ? at + 2 : end;
        if (next != at + 2 || std::from_chars(at, next, octet, 16).ptr != next) {
            fail(fmt::format("expected pairs of hexadecimal digits, came {}", shown(*value_)));
        }
        bytes.push_back(std::byte{octet});
        at = next;
    }
    return bytes;
}

}  // namespace skbtrail::device
