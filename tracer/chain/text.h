// Words and numbers in texts of all kinds: control files, tables, what users write.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace skbtrail::chain {

/// `text` as a decimal number, all of it and nothing else; nothing where it is none, or does not
/// fit.
template <std::integral Number>
std::optional<Number> whole_number(std::string_view text) {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// The lines of `text`, without their ends; views into `text`.
std::vector<std::string_view> split_lines(std::string_view text);

/// `text`, with a space for everything that a terminal would act upon: control characters, those of
/// Unicode (U+0080 to U+009F in UTF-8) among them. What guests, processes and recordings say is
/// theirs to choose. `kept` names characters that may stay, such as "\n".
std::string printable(std::string_view text, std::string_view kept = {});

}  // namespace skbtrail::chain
