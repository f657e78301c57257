#include "labs/check/source/c_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "labs/check/source/tokens.h"

namespace skbtrail::labs::source {
namespace {

using Kind = Token::Kind;

/// Words before `(` that call nothing.
bool is_keyword(std::string_view word) {
    constexpr std::array<std::string_view, 12> keywords = {
        "if",     "for",           "while",      "switch",        "return",   "sizeof",
        "typeof", "typeof_member", "__typeof__", "__attribute__", "_Alignof", "defined"};
    return std::find(keywords.begin(), keywords.end(), word) != keywords.end();
}

/// What may stand between a function's parameters and its body, with parentheses of its own.
bool is_attribute(std::string_view word) {
    constexpr std::array<std::string_view, 9> attributes = {
        "__must_hold", "__releases", "__acquires",   "__attribute__", "__aligned",
        "__section",   "__printf",   "__counted_by", "__alloc_size"};
    return std::find(attributes.begin(), attributes.end(), word) != attributes.end();
}

/// A stretch of tokens.
struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
};

class Parser {
  public:
    explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}

    CFile run() {
        drop_macros();
        drop_branches();
        while (at_ < tokens_.size()) top_level();
        return std::move(file_);
    }

  private:
    const Token& token(std::size_t i) const {
        static const Token none;
        return i < tokens_.size() ? tokens_[i] : none;
    }

    /// Macros become functions of their own; the other tokens stay.
    void drop_macros() {
        std::vector<Token> rest;
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            if (tokens_[i].kind != Kind::define) {
                rest.push_back(tokens_[i]);
                continue;
            }
            std::size_t end = i + 1;
            while (end < tokens_.size() && tokens_[end].kind != Kind::end_define) ++end;
            Function macro;
            macro.name = tokens_[i].text;
            macro.line = tokens_[i].line;
            macro.is_macro = true;
            read_body({i + 1, end}, macro);
            file_.functions.push_back(std::move(macro));
            i = end;
        }
        tokens_ = std::move(rest);
    }

    /// `#if … { #else … { #endif … }` opens one block: of the braces in the alternatives only those
    /// of the first count, the others' calls stay.
    void drop_branches() {
        struct Branch {
            int at_if;
            int first_end;
            bool first;
        };
        std::vector<Branch> branches;
        std::vector<Token> rest;
        int depth = 0;
        const auto add_mark = [&](std::string_view text, std::uint32_t line) {
            rest.push_back({Kind::mark, text, line});
        };
        // A later alternative begins at the depth of the #if and has to end as the first one did.
        const auto move_to = [&](int wanted, std::uint32_t line) {
            for (; depth > wanted; --depth) add_mark("}", line);
            for (; depth < wanted; ++depth) add_mark("{", line);
        };
        for (const Token& token : tokens_) {
            if (token.kind == Kind::branch_if) {
                branches.push_back({depth, depth, true});
            } else if (token.kind == Kind::branch_else && !branches.empty()) {
                Branch& branch = branches.back();
                if (branch.first) branch.first_end = depth;
                branch.first = false;
                // At file scope an alternative is complete in itself.
                if (branch.at_if > 0) move_to(branch.at_if, token.line);
            } else if (token.kind == Kind::branch_end && !branches.empty()) {
                const Branch branch = branches.back();
                branches.pop_back();
                if (!branch.first && branch.at_if > 0) move_to(branch.first_end, token.line);
            } else if (token.kind == Kind::mark || token.kind == Kind::word ||
                       token.kind == Kind::other) {
                if (token.is("{")) ++depth;
                if (token.is("}") && depth > 0) --depth;
                rest.push_back(token);
            }
        }
        tokens_ = std::move(rest);
    }

    /// One behind the bracket that closes the one at `open`.
    std::size_t behind(std::size_t open, std::string_view opening, std::string_view closing) const {
        int depth = 0;
        for (std::size_t i = open; i < tokens_.size(); ++i) {
            if (tokens_[i].is(opening)) ++depth;
            if (tokens_[i].is(closing) && --depth == 0) return i + 1;
        }
        return tokens_.size();
    }

    /// A declaration, or a definition with braces.
    void top_level() {
        const std::size_t begin = at_;
        while (at_ < tokens_.size()) {
            if (tokens_[at_].is(";")) {
                ++at_;
                return;
            }
            if (tokens_[at_].is("(")) {
                at_ = behind(at_, "(", ")");
            } else if (tokens_[at_].is("{")) {
                const std::size_t end = behind(at_, "{", "}");
                braces({begin, at_}, {at_ + 1, end - 1});
                const bool definition = !is_initializer({begin, at_});
                at_ = end;
                // After a function's body nothing follows; after an initializer, a ";" does.
                if (definition) return;
            } else {
                ++at_;
            }
        }
    }

    bool is_initializer(Range head) const {
        return std::any_of(tokens_.begin() + static_cast<std::ptrdiff_t>(head.begin),
                           tokens_.begin() + static_cast<std::ptrdiff_t>(head.end),
                           [](const Token& token) { return token.is("="); });
    }

    void braces(Range head, Range body) {
        if (is_initializer(head)) {
            read_initializer(struct_name(head), body);
            return;
        }
        Function function;
        if (!read_head(head, function)) return;
        read_body(body, function);
        read_assignments(body);
        file_.functions.push_back(std::move(function));
    }

    std::string struct_name(Range head) const {
        for (std::size_t i = head.begin; i + 1 < head.end; ++i) {
            if (token(i).is_word("struct") && token(i + 1).is_word()) {
                return std::string(token(i + 1).text);
            }
        }
        return {};
    }

    /// The last word before parentheses names the function, attributes apart.
    bool read_head(Range head, Function& function) const {
        std::optional<std::size_t> name;
        for (std::size_t i = head.begin; i < head.end; ++i) {
            if (token(i).is_word("static")) function.is_static = true;
            if (token(i).is_word("inline") || token(i).is_word("__always_inline")) {
                function.is_inline = true;
            }
            if (!token(i + 1).is("(") || !token(i).is_word()) continue;
            if (!is_attribute(token(i).text)) name = i;
            i = behind(i + 1, "(", ")") - 1;
        }
        if (!name) return false;
        const std::string_view text = token(*name).text;
        function.line = token(*name).line;
        if (text.starts_with("SYSCALL_DEFINE")) {
            function.name = "__x64_sys_" + std::string(token(*name + 2).text);
        } else if (text.starts_with("BPF_CALL_")) {
            function.name = token(*name + 2).text;
        } else {
            function.name = text;
        }
        return true;
    }

    void read_body(Range body, Function& function) const {
        std::vector<std::string_view> open;  // what each open parenthesis belongs to
        for (std::size_t i = body.begin; i < body.end; ++i) {
            const Token& here = token(i);
            if (here.is("(")) {
                const bool call =
                    i > body.begin && token(i - 1).is_word() && !is_keyword(token(i - 1).text);
                open.push_back(call ? token(i - 1).text : std::string_view());
                continue;
            }
            if (here.is(")") && !open.empty()) open.pop_back();
            if (!here.is_word()) continue;
            const bool member = i > body.begin && (token(i - 1).is("->") || token(i - 1).is("."));
            Use use{Use::Kind::handed, std::string(here.text), {}, here.line};
            if (member) {
                use.kind = Use::Kind::member;
                // `.member =` and `->member =` (not ==) set it.
                if (token(i + 1).is("=") && !token(i + 2).is("=")) continue;
            } else if (i + 1 < body.end && token(i + 1).is("(")) {
                if (is_keyword(here.text)) continue;
                use.kind = Use::Kind::call;
            } else {
                const auto to = std::find_if(open.rbegin(), open.rend(),
                                             [](std::string_view name) { return !name.empty(); });
                if (to == open.rend()) continue;
                use.to = *to;
            }
            function.uses.push_back(std::move(use));
        }
    }

    /// Each word in the value of a member is something that the member may be: `a ? b : c`.
    void read_value(std::size_t& i, std::size_t end, const std::string& type,
                    std::string_view member, bool variable = false) {
        int depth = 0;
        for (; i < end; ++i) {
            const Token& here = token(i);
            if (here.is("(")) ++depth;
            if (here.is(")") && depth-- == 0) return;
            if (depth == 0 && (here.is(";") || here.is(",") || here.is("}"))) return;
            if (here.is_word() && !token(i + 1).is("(")) {
                file_.registrations.push_back(
                    {type, std::string(member), variable, std::string(here.text), here.line});
            }
        }
    }

    /// An array member: `.hooks = { [NF_INET_LOCAL_IN] = nft_do_chain_ipv4, … }`. What is no array
    /// is left to the caller, who goes on inside.
    void read_elements(std::size_t& i, std::size_t end, const std::string& type,
                       std::string_view member) {
        while (token(i + 1).is("[")) {
            while (i < end && !token(i).is("=")) ++i;
            ++i;
            read_value(i, end, type, member);
            if (!token(i).is(",")) return;
        }
    }

    void read_initializer(const std::string& type, Range body) {
        for (std::size_t i = body.begin; i < body.end; ++i) {
            if (!token(i).is(".") || !token(i + 1).is_word() || !token(i + 2).is("=")) continue;
            const std::string_view member = token(i + 1).text;
            i += 3;
            if (token(i).is("{")) {
                read_elements(i, body.end, type, member);
                continue;
            }
            read_value(i, body.end, type, member);
        }
    }

    void read_assignments(Range body) {
        for (std::size_t i = body.begin; i + 1 < body.end; ++i) {
            if (!token(i).is_word() || !token(i + 1).is("=") || token(i + 2).is("=")) continue;
            // Of `struct s x = {.member = value` the member is what is set.
            if (token(i + 2).is("{")) continue;
            // The same of `x = (struct s) {.member = value`.
            if (token(i + 2).is("(")) {
                const std::size_t literal = behind(i + 2, "(", ")");
                if (token(literal).is("{")) {
                    i = literal;
                    continue;
                }
            }
            const std::string_view set = token(i).text;
            const bool member = token(i - 1).is("->") || token(i - 1).is(".");
            i += 2;
            read_value(i, body.end, {}, set, !member);
        }
    }

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    CFile file_;
};

}  // namespace

std::vector<const Function*> CFile::find(std::string_view name) const {
    std::vector<const Function*> found;
    for (const Function& function : functions) {
        if (function.name == name) found.push_back(&function);
    }
    return found;
}

CFile parse_c_file(std::string_view source) {
    return Parser(source).run();
}

}  // namespace skbtrail::labs::source
