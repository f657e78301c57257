#include "labs/check/source/tokens.h"

#include <cstddef>

namespace skbtrail::labs::source {
namespace {

using Kind = Token::Kind;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool begins_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool in_word(char c) {
    return begins_word(c) || is_digit(c);
}

class Tokenizer {
  public:
    explicit Tokenizer(std::string_view source) : source_(source) {}

    std::vector<Token> run() {
        while (at_ < source_.size()) step();
        if (in_define_) add(Kind::end_define, {});
        return std::move(tokens_);
    }

  private:
    char peek(std::size_t ahead = 0) const {
        return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
    }

    void add(Kind kind, std::string_view text) { tokens_.push_back({kind, text, line_}); }

    void step() {
        const char c = peek();
        if (c == '\n') {
            end_line();
        } else if (c == '\\' && peek(1) == '\n') {
            at_ += 2;
            ++line_;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
            ++at_;
        } else if (c == '/' && peek(1) == '*') {
            skip_comment();
        } else if (c == '/' && peek(1) == '/') {
            skip_line();
        } else if (c == '#' && at_line_start_) {
            directive();
        } else {
            at_line_start_ = false;
            token(c);
        }
    }

    void end_line() {
        if (in_define_) add(Kind::end_define, {});
        in_define_ = false;
        at_line_start_ = true;
        ++line_;
        ++at_;
    }

    void skip_comment() {
        const std::size_t end = source_.find("*/", at_ + 2);
        const std::size_t stop = end == std::string_view::npos ? source_.size() : end + 2;
        for (; at_ < stop; ++at_) line_ += source_[at_] == '\n' ? 1 : 0;
    }

    /// To the end of the logical line.
    void skip_line() {
        while (at_ < source_.size() && source_[at_] != '\n') {
            if (source_[at_] == '\\' && peek(1) == '\n') {
                ++at_;
                ++line_;
            } else if (source_[at_] == '/' && peek(1) == '*') {
                skip_comment();
                continue;
            }
            ++at_;
        }
    }

    std::string_view word() {
        const std::size_t begin = at_;
        while (in_word(peek())) ++at_;
        return source_.substr(begin, at_ - begin);
    }

    void directive() {
        at_line_start_ = false;
        ++at_;
        while (peek() == ' ' || peek() == '\t') ++at_;
        const std::string_view name = word();
        if (name == "define") {
            while (peek() == ' ' || peek() == '\t') ++at_;
            add(Kind::define, word());
            in_define_ = true;
            return;
        }
        if (name == "if" || name == "ifdef" || name == "ifndef") add(Kind::branch_if, name);
        if (name == "else" || name == "elif") add(Kind::branch_else, name);
        if (name == "endif") add(Kind::branch_end, name);
        skip_line();
    }

    void literal(char quote) {
        const std::size_t begin = at_++;
        while (at_ < source_.size() && source_[at_] != quote && source_[at_] != '\n') {
            at_ += source_[at_] == '\\' && peek(1) != '\0' ? 2 : 1;
        }
        if (at_ < source_.size() && source_[at_] == quote) ++at_;
        at_ = at_ < source_.size() ? at_ : source_.size();
        add(Kind::other, source_.substr(begin, at_ - begin));
    }

    void token(char c) {
        if (begins_word(c)) {
            const std::string_view text = word();
            add(Kind::word, text);
        } else if (is_digit(c)) {
            add(Kind::other, word());
        } else if (c == '"' || c == '\'') {
            literal(c);
        } else {
            const std::size_t length = c == '-' && peek(1) == '>' ? 2 : 1;
            add(Kind::mark, source_.substr(at_, length));
            at_ += length;
        }
    }

    std::string_view source_;
    std::size_t at_ = 0;
    std::uint32_t line_ = 1;
    bool at_line_start_ = true;
    bool in_define_ = false;
    std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
    return Tokenizer(source).run();
}

}  // namespace skbtrail::labs::source
