// Places in the text of a JSON document, and small changes there that leave the rest as somebody
// wrote it: its lines, its spaces, its order.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs::bless {

/// A part of a text: [begin, end).
struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// `removed` bytes at `at` go, `inserted` comes in their place.
struct TextEdit {
    std::size_t at = 0;
    std::size_t removed = 0;
    std::string inserted;
};

std::string edited(std::string_view text, const TextEdit& edit);
/// Applies all of them; their places are those in `text`, before any. They must not overlap. Of two
/// at one place the first stands first.
std::string edited(std::string_view text, std::vector<TextEdit> edits);

/// Where the value at a JSON pointer (RFC 6901) stands. `text` is a JSON document. Nothing when it
/// has no such value.
std::optional<Range> find_value(std::string_view text, std::string_view pointer);

/// A new element before the one at `pointer`, on a line of its own if that one has one.
std::optional<TextEdit> insert_before(std::string_view text, std::string_view pointer,
                                      const std::string& element);
/// Behind it.
std::optional<TextEdit> insert_after(std::string_view text, std::string_view pointer,
                                     const std::string& element);
/// Takes an element out of its list, with its comma and its line.
std::optional<TextEdit> remove_element(std::string_view text, std::string_view pointer);
/// A new member of the object at `pointer`, behind its first one. Nothing where there is no object,
/// or an empty one, or one that has such a member.
std::optional<TextEdit> add_member(std::string_view text, std::string_view pointer,
                                   std::string_view name, const std::string& value);
/// Another value in the place of the one at `pointer`.
std::optional<TextEdit> replace_value(std::string_view text, std::string_view pointer,
                                      const std::string& value);

}  // namespace skbtrail::labs::bless
