// Reading skbtrail's JSON documents, strictly and with errors that name the place: recordings,
// expectations, lab files. Text comes from anywhere, so nothing here trusts its size or depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tracer/chain/format_error.h"

namespace skbtrail::chain {

/// Objects and arrays may be nested this deep. A kernel's stack ends long before: function_graph
/// itself stops at 50 calls, which are 100 levels here.
inline constexpr std::size_t max_json_depth = 512;

/// One value in a document, with its place. A value refers to the one it came from: keep that
/// alive while this one is used.
class JsonValue {
  public:
    /// The document itself.
    explicit JsonValue(const nlohmann::json& value) : value_(&value) {}
    /// A member of `parent` that stands under `key`.
    JsonValue(const nlohmann::json& value, const JsonValue& parent, std::string_view key)
        : value_(&value), parent_(&parent), key_(key) {}
    /// An element of the array `parent`.
    JsonValue(const nlohmann::json& value, const JsonValue& parent, std::size_t index)
        : value_(&value), parent_(&parent), index_(index) {}

    /// The place as a JSON pointer (RFC 6901): "/chains/0/root/calls/3"; "" for the document.
    std::string pointer() const;

    /// Throws a FormatError "PLACE: SENTENCE".
    [[noreturn]] void fail(std::string_view sentence) const;

    bool is_text() const;
    bool is_object() const;
    bool is_array() const;

    /// Elements of an array; fails on anything else.
    std::size_t size() const;
    JsonValue element(std::size_t index) const;

    /// The value as a T: std::string, bool, an integer (its whole range is checked),
    /// std::vector or std::map (from std::string) of those. Fails with a sentence that says what
    /// was wanted and what is there.
    template <typename T>
    T get() const;

    /// A string "0x…" of at most 64 bits.
    std::uint64_t address() const;

    const nlohmann::json& json() const { return *value_; }

  private:
    std::string text() const;
    bool boolean() const;
    std::int64_t signed_integer(std::int64_t low, std::int64_t high) const;
    std::uint64_t unsigned_integer(std::uint64_t high) const;
    void each_member(const std::function<void(const std::string&, const JsonValue&)>& visit) const;

    const nlohmann::json* value_;
    const JsonValue* parent_ = nullptr;
    std::string_view key_;
    std::size_t index_ = 0;
};

/// An object whose members are read by name. Members that nobody asked for are an error (a typo
/// must not silently mean "absent"): call finish() when all have been asked for.
class JsonObject {
  public:
    /// Fails unless `value` is an object.
    explicit JsonObject(const JsonValue& value);

    /// Whether there is such a member; does not count as asking for it.
    bool has(std::string_view key) const;

    /// Ask for each member once.
    std::optional<JsonValue> find(std::string_view key);
    /// Fails when there is no such member.
    JsonValue required(std::string_view key);

    template <typename T>
    void required(std::string_view key, T& target) {
        target = required(key).get<T>();
    }
    template <typename T>
    void optional(std::string_view key, T& target) {
        if (const auto value = find(key)) target = value->template get<T>();
    }
    template <typename T>
    void optional(std::string_view key, std::optional<T>& target) {
        if (const auto value = find(key)) target = value->template get<T>();
    }

    /// Fails on the first member that was not asked for, with "did you mean".
    void finish() const;

    const JsonValue& value() const { return value_; }

  private:
    JsonValue value_;
    std::vector<std::string_view> asked_;
    std::size_t found_ = 0;
};

/// The array `value`, each element by `read`; fails on anything else than an array.
template <typename Read>
auto read_array(const JsonValue& value, const Read& read) {
    std::vector<decltype(read(value))> result;
    const std::size_t count = value.size();
    result.reserve(count);
    for (std::size_t i = 0; i < count; ++i) result.push_back(read(value.element(i)));
    return result;
}

/// The array under `key`, empty when there is none.
template <typename Read>
auto read_optional_array(JsonObject& object, std::string_view key, const Read& read) {
    const auto value = object.find(key);
    return value ? read_array(*value, read) : decltype(read_array(*value, read))();
}

/// What a document says it is.
struct DocumentKind {
    std::string_view format;  ///< "skbtrail-recording"
    int version = 1;          ///< the one version that this program reads
    std::string_view name;    ///< for sentences: "a recording"
};

/// Reads the members "format" and "version" (and an editor's "$schema") and fails unless they are
/// of `kind`: another format, another version, or no skbtrail document at all.
JsonObject open_document(const JsonValue& document, const DocumentKind& kind);

/// Parses JSON text. Throws FormatError with line and column where it is not JSON, and where it is
/// nested deeper than max_json_depth or has a key twice in one object.
nlohmann::json parse_json(std::string_view text);

/// Takes one element of a top-level array: the array's key, its index, the element.
using ElementHandler =
    std::function<void(std::string_view key, std::size_t index, const nlohmann::json& element)>;

/// As parse_json, but hands the elements of the top-level arrays named in `streamed` over one by
/// one and keeps none (those arrays are empty in the result): a long document costs the memory of
/// its longest element.
nlohmann::json parse_json_streamed(std::string_view text,
                                   std::span<const std::string_view> streamed,
                                   const ElementHandler& handle);

/// The text of the file at `path`. Throws std::system_error that names it.
std::string read_file(const std::string& path);

template <typename T>
T JsonValue::get() const {
    if constexpr (std::is_same_v<T, std::string>) {
        return text();
    } else if constexpr (std::is_same_v<T, bool>) {
        return boolean();
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        return static_cast<T>(
            signed_integer(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    } else if constexpr (std::is_integral_v<T>) {
        return static_cast<T>(unsigned_integer(std::numeric_limits<T>::max()));
    } else if constexpr (std::is_same_v<T, std::vector<typename T::value_type>>) {
        T result;
        const std::size_t count = size();
        result.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            result.push_back(element(i).template get<typename T::value_type>());
        }
        return result;
    } else {
        static_assert(std::is_same_v<T, std::map<std::string, typename T::mapped_type>>);
        T result;
        each_member([&](const std::string& key, const JsonValue& value) {
            result.emplace(key, value.template get<typename T::mapped_type>());
        });
        return result;
    }
}

}  // namespace skbtrail::chain
