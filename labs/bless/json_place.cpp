#include "labs/bless/json_place.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tracer/chain/text.h"

namespace skbtrail::labs::bless {
namespace {

constexpr std::string_view white = " \t\r\n";

/// Walks over a document that was parsed before: what is malformed ends the walk, no more.
class Walker {
  public:
    explicit Walker(std::string_view text) : text_(text) {}

    std::size_t skip_white(std::size_t at) const {
        const auto found = text_.find_first_not_of(white, at);
        return found == std::string_view::npos ? text_.size() : found;
    }

    /// Behind the value that begins at `at`.
    std::size_t skip_value(std::size_t at) const {
        if (at >= text_.size()) return text_.size();
        if (text_[at] == '"') return skip_string(at);
        if (text_[at] != '{' && text_[at] != '[') {
            const auto end = text_.find_first_of(",]} \t\r\n", at);
            return end == std::string_view::npos ? text_.size() : end;
        }
        int depth = 0;
        while (at < text_.size()) {
            const char c = text_[at];
            if (c == '"') {
                at = skip_string(at);
                continue;
            }
            depth += c == '{' || c == '[' ? 1 : 0;
            depth -= c == '}' || c == ']' ? 1 : 0;
            ++at;
            if (depth == 0) break;
        }
        return at;
    }

    /// The value of a member, or the element of a number, of what begins at `at`.
    std::optional<std::size_t> child(std::size_t at, const std::string& token) const {
        const bool object = text_[at] == '{';
        if (!object && text_[at] != '[') return std::nullopt;
        const auto wanted = chain::whole_number<std::size_t>(token);
        if (!object && !wanted) return std::nullopt;
        at = skip_white(at + 1);
        for (std::size_t index = 0; at < text_.size() && text_[at] != '}' && text_[at] != ']';
             ++index) {
            std::string key;
            if (object) {
                const auto behind = skip_string(at);
                key = nlohmann::json::parse(text_.substr(at, behind - at), nullptr, false)
                          .get<std::string>();
                at = skip_white(behind);  // the colon
                at = skip_white(at + 1);
            }
            if (object ? key == token : index == *wanted) return at;
            at = skip_white(skip_value(at));
            if (at < text_.size() && text_[at] == ',') at = skip_white(at + 1);
        }
        return std::nullopt;
    }

  private:
    std::size_t skip_string(std::size_t at) const {
        for (++at; at < text_.size() && text_[at] != '"'; ++at) {
            if (text_[at] == '\\') ++at;
        }
        return std::min(at + 1, text_.size());
    }

    std::string_view text_;
};

std::string unescaped(std::string_view token) {
    std::string result;
    for (std::size_t i = 0; i < token.size(); ++i) {
        if (token[i] == '~' && i + 1 < token.size()) {
            result += token[++i] == '1' ? '/' : '~';
        } else {
            result += token[i];
        }
    }
    return result;
}

/// The white space in front of `at` if the line has nothing else there; nothing otherwise.
std::optional<std::string> indentation(std::string_view text, std::size_t at) {
    const auto line = text.rfind('\n', at == 0 ? 0 : at - 1);
    if (line == std::string_view::npos || at == 0) return std::nullopt;
    const auto before = text.substr(line + 1, at - line - 1);
    if (before.find_first_not_of(white) != std::string_view::npos) return std::nullopt;
    return std::string(before);
}

}  // namespace

std::string edited(std::string_view text, const TextEdit& edit) {
    std::string result(text.substr(0, edit.at));
    result += edit.inserted;
    result += text.substr(edit.at + edit.removed);
    return result;
}

std::string edited(std::string_view text, std::vector<TextEdit> edits) {
    std::stable_sort(edits.begin(), edits.end(), [](const TextEdit& a, const TextEdit& b) {
        // What comes there stands before what goes from there.
        return std::pair(a.at, a.removed != 0) < std::pair(b.at, b.removed != 0);
    });
    std::string result(text);
    for (auto edit = edits.rbegin(); edit != edits.rend(); ++edit) result = edited(result, *edit);
    return result;
}

std::optional<Range> find_value(std::string_view text, std::string_view pointer) {
    const Walker walker(text);
    auto at = walker.skip_white(0);
    if (at >= text.size() || (!pointer.empty() && pointer.front() != '/')) return std::nullopt;
    while (!pointer.empty()) {
        pointer.remove_prefix(1);
        const auto token = pointer.substr(0, pointer.find('/'));
        pointer.remove_prefix(token.size());
        const auto next = walker.child(at, unescaped(token));
        if (!next) return std::nullopt;
        at = *next;
    }
    return Range{at, walker.skip_value(at)};
}

std::optional<TextEdit> insert_before(std::string_view text, std::string_view pointer,
                                      const std::string& element) {
    const auto place = find_value(text, pointer);
    if (!place) return std::nullopt;
    const auto indent = indentation(text, place->begin);
    return TextEdit{place->begin, 0,
                    indent ? fmt::format("{},\n{}", element, *indent) : element + ", "};
}

std::optional<TextEdit> insert_after(std::string_view text, std::string_view pointer,
                                     const std::string& element) {
    const auto place = find_value(text, pointer);
    if (!place) return std::nullopt;
    const auto indent = indentation(text, place->begin);
    return TextEdit{place->end, 0,
                    indent ? fmt::format(",\n{}{}", *indent, element) : ", " + element};
}

std::optional<TextEdit> remove_element(std::string_view text, std::string_view pointer) {
    const auto place = find_value(text, pointer);
    if (!place) return std::nullopt;
    const Walker walker(text);
    const auto behind = walker.skip_white(place->end);
    if (behind < text.size() && text[behind] == ',') {
        return TextEdit{place->begin, walker.skip_white(behind + 1) - place->begin, ""};
    }
    const auto before = text.find_last_not_of(white, place->begin - 1);
    const auto begin = text[before] == ',' ? before : place->begin;
    return TextEdit{begin, place->end - begin, ""};
}

std::optional<TextEdit> add_member(std::string_view text, std::string_view pointer,
                                   std::string_view name, const std::string& value) {
    const auto place = find_value(text, pointer);
    if (!place || text[place->begin] != '{') return std::nullopt;
    if (find_value(text, fmt::format("{}/{}", pointer, name))) return std::nullopt;
    const Walker walker(text);
    const auto key = walker.skip_white(place->begin + 1);
    if (text[key] != '"') return std::nullopt;
    const auto colon = walker.skip_white(walker.skip_value(key));
    const auto end = walker.skip_value(walker.skip_white(colon + 1));
    return TextEdit{end, 0, fmt::format(", \"{}\": {}", name, value)};
}

std::optional<TextEdit> replace_value(std::string_view text, std::string_view pointer,
                                      const std::string& value) {
    const auto place = find_value(text, pointer);
    if (!place) return std::nullopt;
    return TextEdit{place->begin, place->end - place->begin, value};
}

}  // namespace skbtrail::labs::bless
