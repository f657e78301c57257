#include "tests/guest/readme.h"

#include <algorithm>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace skbtrail::tests {
namespace {

constexpr std::string_view prompt = "$ ";

[[noreturn]] void fail(std::size_t line, const std::string& what) {
    throw std::runtime_error(fmt::format("line {}: {}", line, what));
}

/// A line without as many spaces in front as its block is indented by.
std::string unindented(const std::string& line, std::size_t indentation) {
    const std::size_t spaces = std::min(indentation, line.find_first_not_of(' '));
    return spaces == std::string::npos ? std::string() : line.substr(spaces);
}

/// Reads line by line, and knows in which block and in which section it is.
class Reader {
  public:
    explicit Reader(const std::string& text) : text_(text) {}

    Readme read() {
        for (std::string line; std::getline(text_, line);) {
            ++number_;
            const std::size_t text = line.find_first_not_of(' ');
            const bool fence = text != std::string::npos && line.compare(text, 3, "```") == 0;
            if (fence && !inside_) {
                begin(text, line.substr(text + 3));
            } else if (fence) {
                end();
            } else if (inside_) {
                add(unindented(line, indentation_));
            } else {
                paragraph(line);
            }
        }
        if (inside_) fail(opened_, "this block does not end");
        return std::move(readme_);
    }

  private:
    void begin(std::size_t indentation, const std::string& kind) {
        if (!kind.empty() && kind != "console" && kind != "text") {
            fail(number_, fmt::format("a block of the kind \"{}\"; there are console (commands and "
                                      "what they print), text (a picture), and without a kind "
                                      "what run.sh prints",
                                      kind));
        }
        inside_ = true;
        indentation_ = indentation;
        kind_ = kind;
        opened_ = number_;
        block_.clear();
    }

    void add(const std::string& line) {
        if (kind_ != "console") {
            block_ += line + "\n";
        } else if (line.starts_with(prompt)) {
            readme_.commands.push_back({line.substr(prompt.size()), {}, number_});
        } else if (number_ == opened_ + 1) {
            fail(number_, "a console block begins with a command behind \"$ \"");
        } else {
            readme_.commands.back().output.push_back(line);
        }
    }

    void end() {
        inside_ = false;
        if (kind_ == "text") readme_.pictures.push_back(block_);
        if (kind_.empty()) readme_.printed.push_back(block_);
    }

    void paragraph(const std::string& line) {
        if (line.starts_with("## ")) section_ = line.substr(3);
        if (line.find("    build/bin/skbtrail") != std::string::npos) {
            fail(number_, "a command outside of a console block: nobody runs it");
        }
        if (section_ == "Questions" && std::regex_search(line, std::regex("^[0-9]+\\. "))) {
            ++readme_.questions;
        }
        if (section_ == "In the kernel's source") readme_.sources += line + "\n";
    }

    std::istringstream text_;
    std::size_t number_ = 0;
    bool inside_ = false;
    std::size_t indentation_ = 0;
    std::size_t opened_ = 0;
    std::string kind_;
    std::string block_;
    std::string section_;
    Readme readme_;
};

bool is_of_a_tree(const std::string& line) {
    return line.find("├ ") != std::string::npos || line.find("└ ") != std::string::npos;
}

std::string comparable(const std::string& line) {
    static const std::regex addresses("0x[0-9a-f]+");
    static const std::regex packets("#[0-9]+");
    static const std::regex numbers("[0-9]+");
    static const std::regex spaces(" +");
    // Told where the kernel's debug information is at hand only.
    static const std::regex inlining(R"( \(tail call\)|  through inlined [\w.]+(, [\w.]+)*)");
    std::string text = std::regex_replace(line, inlining, "");
    text = std::regex_replace(text, addresses, "0xN");
    text = std::regex_replace(text, is_of_a_tree(line) ? packets : numbers,
                              is_of_a_tree(line) ? "#N" : "N");
    return std::regex_replace(text, spaces, " ");
}

std::vector<std::string> numbers_of(const std::string& line) {
    static const std::regex number("[0-9]+");
    return {std::sregex_token_iterator(line.begin(), line.end(), number), {}};
}

std::size_t in_common(const std::vector<std::string>& some, std::vector<std::string> others) {
    std::size_t count = 0;
    for (const std::string& number : some) {
        const auto found = std::find(others.begin(), others.end(), number);
        if (found == others.end()) continue;
        others.erase(found);
        ++count;
    }
    return count;
}

}  // namespace

Readme parse_readme(const std::string& text) {
    return Reader(text).read();
}

std::size_t find_shown(const std::vector<std::string>& printed, const std::string& shown,
                       std::size_t from) {
    const std::string wanted = comparable(shown);
    const auto numbers = numbers_of(shown);
    std::size_t best = std::string::npos;
    std::size_t most = 0;
    for (std::size_t i = from; i < printed.size(); ++i) {
        if (comparable(printed[i]).find(wanted) == std::string::npos) continue;
        const std::size_t same = in_common(numbers, numbers_of(printed[i]));
        if (best == std::string::npos || same > most) {
            best = i;
            most = same;
        }
    }
    return best;
}

}  // namespace skbtrail::tests
