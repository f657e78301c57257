// Reading a script's JSON so that every mistake becomes a sentence with its place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace skbtrail::device {

/// A script that cannot be played: `FILE: at /steps/0/when: expected …`.
class ScriptError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A value in a JSON document that knows where it stands (RFC 6901). The document outlives it.
class JsonNode {
  public:
    JsonNode(const nlohmann::json& value, const std::string& file, std::string pointer = {})
        : value_(&value), file_(&file), pointer_(std::move(pointer)) {}

    /// Throws ScriptError: the file, this place, and `sentence`.
    [[noreturn]] void fail(std::string_view sentence) const;

    const nlohmann::json& value() const { return *value_; }
    /// Another value at the same place.
    JsonNode with(const nlohmann::json& value) const { return {value, *file_, pointer_}; }

    bool is_text() const { return value_->is_string(); }
    bool is_object() const { return value_->is_object(); }
    bool is_array() const { return value_->is_array(); }

    /// Throws unless this is an object with no other keys than these.
    void check_keys(std::initializer_list<std::string_view> known) const;
    /// A member that may be absent.
    std::optional<JsonNode> find(std::string_view key) const;
    /// A member that must be there; `meaning` says what it would be.
    JsonNode require(std::string_view key, std::string_view meaning) const;
    /// All members of an object, with their keys.
    std::vector<std::pair<std::string, JsonNode>> members() const;
    /// All elements of an array of at most `most`.
    std::vector<JsonNode> elements(std::size_t most) const;

    std::string text() const;
    bool boolean() const;
    /// A whole number of a bounded range.
    std::uint64_t number(std::uint64_t least, std::uint64_t greatest) const;
    /// A string, or a whole number as its decimal digits: for values that have names and numbers.
    std::string text_or_number() const;
    /// Bytes as pairs of hexadecimal digits; spaces between pairs are for the reader.
    std::vector<std::byte> hex_bytes() const;

  private:
    void expect(bool is_so, std::string_view what) const;

    const nlohmann::json* value_;
    const std::string* file_;
    std::string pointer_;
};

}  // namespace skbtrail::device
