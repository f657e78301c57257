// The kernel's C as tokens: as much as is needed to see which function calls which.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace skbtrail::labs::source {

struct Token {
    enum class Kind : std::uint8_t {
        word,    ///< an identifier or a keyword
        other,   ///< a number or a literal: says nothing about calls
        mark,    ///< one character of punctuation; "->" is one mark
        define,  ///< the name of a macro that begins here; `end_define` ends it
        end_define,
        branch_if,    ///< #if, #ifdef, #ifndef
        branch_else,  ///< #else, #elif: what follows stands where what came before stood
        branch_end,   ///< #endif
    };
    Kind kind = Kind::other;
    std::string_view text;  ///< points into the source
    std::uint32_t line = 0;

    bool is(std::string_view mark_text) const { return kind == Kind::mark && text == mark_text; }
    bool is_word() const { return kind == Kind::word; }
    bool is_word(std::string_view wanted) const { return is_word() && text == wanted; }
};

/// Comments, literals' contents and directives other than conditions and definitions are gone.
/// `source` has to outlive the tokens. Never fails: what is no C gives odd tokens.
std::vector<Token> tokenize(std::string_view source);

}  // namespace skbtrail::labs::source
