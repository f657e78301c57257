// JSON text, written as it comes: a recording of 100,000 calls is written inside a guest whose CPU
// is emulated, so nothing is built first and nothing is formatted twice.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace skbtrail::chain {

/// Writes one JSON document to a stream. The caller opens and closes objects and arrays in the
/// right order; commas and escapes are this class's business.
class JsonWriter {
  public:
    explicit JsonWriter(std::ostream& out);
    JsonWriter(const JsonWriter&) = delete;
    JsonWriter& operator=(const JsonWriter&) = delete;
    /// Hands the rest to the stream.
    ~JsonWriter();

    void begin_object();
    void end_object();
    void begin_array();
    void end_array();
    void key(std::string_view name);

    /// A string. Bytes that are not UTF-8 (a command's name may hold any) become U+FFFD.
    void text(std::string_view value);
    void integer(std::int64_t value);
    void integer(std::uint64_t value);
    void boolean(bool value);
    /// A string "0x…": JSON numbers lose bits above 2^53 in many readers.
    void address(std::uint64_t value);

    /// A line break before the next value, for readers who look at the file with a pager or grep.
    void line_break();

    void flush();

  private:
    void before_value();
    void quoted(std::string_view value);

    std::ostream& out_;
    std::string buffer_;
    bool comma_ = false;
    bool break_ = false;
};

}  // namespace skbtrail::chain
