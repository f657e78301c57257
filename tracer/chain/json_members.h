// The members of an object, as documents are written: what says nothing is left out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tracer/chain/json_writer.h"
#include "tracer/chain/recording.h"

namespace skbtrail::chain {

/// The members of one object. A member that says nothing (an empty text or list, a zero that is
/// the default) is left out by the methods named optional_….
class Members {
  public:
    explicit Members(JsonWriter& writer) : writer_(writer) { writer_.begin_object(); }
    Members(const Members&) = delete;
    Members& operator=(const Members&) = delete;
    ~Members() { writer_.end_object(); }

    void text(std::string_view key, std::string_view value) {
        writer_.key(key);
        writer_.text(value);
    }
    void optional_text(std::string_view key, std::string_view value) {
        if (!value.empty()) text(key, value);
    }
    void address(std::string_view key, Address value) {
        writer_.key(key);
        writer_.address(value);
    }
    template <typename Integer>
    void integer(std::string_view key, Integer value) {
        writer_.key(key);
        if constexpr (std::is_signed_v<Integer>) {
            writer_.integer(std::int64_t{value});
        } else {
            writer_.integer(std::uint64_t{value});
        }
    }
    template <typename Integer>
    void integer_unless_zero(std::string_view key, Integer value) {
        if (value != 0) integer(key, value);
    }
    template <typename Integer>
    void optional_integer(std::string_view key, const std::optional<Integer>& value) {
        if (value) integer(key, *value);
    }
    void boolean_if_true(std::string_view key, bool value) {
        if (!value) return;
        writer_.key(key);
        writer_.boolean(true);
    }
    template <typename T, typename Write>
    void array(std::string_view key, const std::vector<T>& values, const Write& write) {
        writer_.key(key);
        writer_.begin_array();
        for (const T& value : values) write(writer_, value);
        writer_.end_array();
    }
    template <typename T, typename Write>
    void optional_array(std::string_view key, const std::vector<T>& values, const Write& write) {
        if (!values.empty()) array(key, values, write);
    }
    void optional_map(std::string_view key, const std::map<std::string, std::string>& values) {
        if (values.empty()) return;
        writer_.key(key);
        const Members members(writer_);
        for (const auto& [name, value] : values) {
            writer_.key(name);
            writer_.text(value);
        }
    }

  private:
    JsonWriter& writer_;
};

}  // namespace skbtrail::chain
