#include "tracer/chain/json_writer.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <ostream>

namespace skbtrail::chain {
namespace {

constexpr std::size_t flush_above = 64UL * 1024;
constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// Length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none
/// (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = first == 0xED ? 0x9F : 0xBF;
        return continues(1, low, high) && continues(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const unsigned low = first == 0xF0 ? 0x90 : 0x80;
        const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
        return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

template <typename Integer>
void append_number(std::string& buffer, Integer value, int base = 10) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    buffer.append(digits.data(), end);
}

}  // namespace

JsonWriter::JsonWriter(std::ostream& out) : out_(out) {
    buffer_.reserve(flush_above + 4096);
}

JsonWriter::~JsonWriter() {
    flush();
}

void JsonWriter::flush() {
    out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
}

void JsonWriter::before_value() {
    if (buffer_.size() > flush_above) flush();
    if (comma_) buffer_ += ',';
    if (break_) buffer_ += '\n';
    break_ = false;
    comma_ = true;
}

void JsonWriter::begin_object() {
    before_value();
    buffer_ += '{';
    comma_ = false;
}

void JsonWriter::end_object() {
    buffer_ += '}';
    comma_ = true;
}

void JsonWriter::begin_array() {
    before_value();
    buffer_ += '[';
    comma_ = false;
}

void JsonWriter::end_array() {
    buffer_ += ']';
    comma_ = true;
}

void JsonWriter::key(std::string_view name) {
    before_value();
    quoted(name);
    buffer_ += ':';
    comma_ = false;
}

void JsonWriter::text(std::string_view value) {
    before_value();
    quoted(value);
}

void JsonWriter::integer(std::int64_t value) {
    before_value();
    append_number(buffer_, value);
}

void JsonWriter::integer(std::uint64_t value) {
    before_value();
    append_number(buffer_, value);
}

void JsonWriter::boolean(bool value) {
    before_value();
    buffer_ += value ? "true" : "false";
}

void JsonWriter::address(std::uint64_t value) {
    before_value();
    buffer_ += "\"0x";
    append_number(buffer_, value, 16);
    buffer_ += '"';
}

void JsonWriter::line_break() {
    break_ = true;
}

void JsonWriter::quoted(std::string_view value) {
    buffer_ += '"';
    std::size_t i = 0;
    while (i < value.size()) {
        std::size_t plain = i;
        while (plain < value.size() && is_plain(value[plain])) ++plain;
        buffer_.append(value, i, plain - i);
        i = plain;
        if (i == value.size()) break;
        const char c = value[i];
        if (c == '"' || c == '\\') {
            buffer_ += '\\';
            buffer_ += c;
            ++i;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            constexpr std::string_view hex = "0123456789abcdef";
            buffer_ += "\\u00";
            buffer_ += hex[static_cast<unsigned char>(c) >> 4U];
            buffer_ += hex[static_cast<unsigned char>(c) & 0xFU];
            ++i;
        } else if (const std::size_t length = utf8_length(value.substr(i)); length > 0) {
            buffer_.append(value, i, length);
            i += length;
        } else {
            buffer_ += replacement;
            ++i;
        }
    }
    buffer_ += '"';
}

}  // namespace skbtrail::chain
