#include "tracer/chain/names.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace skbtrail::chain {
namespace {

constexpr std::array<std::string_view, 7> clone_words = {"cold",       "constprop", "isra", "llvm",
                                                         "localalias", "lto_priv",  "part"};

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_clone_word(std::string_view text) {
    return std::find(clone_words.begin(), clone_words.end(), text) != clone_words.end();
}

}  // namespace

std::string_view base_name(std::string_view name) {
    while (true) {
        std::string_view rest = name;
        std::size_t dot = rest.rfind('.');
        if (dot == std::string_view::npos || dot == 0) return name;
        if (is_number(rest.substr(dot + 1))) {
            rest = rest.substr(0, dot);
            dot = rest.rfind('.');
            if (dot == std::string_view::npos || dot == 0) return name;
        }
        if (!is_clone_word(rest.substr(dot + 1))) return name;
        name = rest.substr(0, dot);
    }
}

}  // namespace skbtrail::chain
