// Text with or without colours, and how wide it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// What a piece of text is, which decides how it looks.
enum class Ink : std::uint8_t {
    plain,
    dim,      ///< glyphs, durations, what does not matter here
    strong,   ///< names, headings
    packet,   ///< packet ids
    changed,  ///< what moved since it was seen last
    good,
    bad,
    warning,
};

/// `text` as `ink` looks with or without colours.
std::string paint(std::string_view text, Ink ink, bool colour);

/// Columns that UTF-8 text takes, if it has no escapes and no wide characters: ours has none.
std::size_t columns(std::string_view text);

/// `text` and blanks up to `width` columns.
std::string padded(std::string_view text, std::size_t width);

/// The words of `text` in lines of at most `width` columns; a longer word has its own.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

/// `items` with commas between them, in lines of at most `width` columns; a longer one has its own.
std::vector<std::string> listed(const std::vector<std::string>& items, std::size_t width);

/// A duration with its unit: "980 ns", "12.3 µs", "4.5 ms", "1.2 s".
std::string duration_text(chain::Nanoseconds duration);

}  // namespace skbtrail::labs
