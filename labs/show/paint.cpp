#include "labs/show/paint.h"

#include <algorithm>

#include <fmt/color.h>
#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

fmt::text_style style_of(Ink ink) {
    switch (ink) {
        case Ink::dim:
            return fmt::emphasis::faint;
        case Ink::strong:
            return fmt::emphasis::bold;
        case Ink::packet:
            return fmt::fg(fmt::terminal_color::cyan);
        case Ink::changed:
            return fmt::fg(fmt::terminal_color::yellow);
        case Ink::good:
            return fmt::fg(fmt::terminal_color::green);
        case Ink::bad:
            return fmt::emphasis::bold | fmt::fg(fmt::terminal_color::red);
        case Ink::warning:
            return fmt::fg(fmt::terminal_color::magenta);
        case Ink::plain:
            break;
    }
    return {};
}

}  // namespace

std::string paint(std::string_view text, Ink ink, bool colour) {
    if (!colour || ink == Ink::plain || text.empty()) return std::string(text);
    return fmt::format(style_of(ink), "{}", text);
}

std::size_t columns(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;  // not a continuation byte
    }));
}

std::string padded(std::string_view text, std::size_t width) {
    std::string result(text);
    const std::size_t taken = columns(text);
    if (taken < width) result.append(width - taken, ' ');
    return result;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
    std::vector<std::string> lines;
    std::string line;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string_view word = text.substr(begin, end - begin);
        if (!line.empty() && columns(line) + 1 + columns(word) > width) {
            lines.push_back(std::move(line));
            line.clear();
        }
        if (!line.empty()) line += ' ';
        line += word;
        begin = end + 1;
    }
    if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
    return lines;
}

std::vector<std::string> listed(const std::vector<std::string>& items, std::size_t width) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const std::string item = items[i] + (i + 1 < items.size() ? "," : "");
        if (!lines.empty() && columns(lines.back()) + 1 + columns(item) <= width) {
            lines.back() += " " + item;
        } else {
            lines.push_back(item);
        }
    }
    return lines;
}

std::string duration_text(chain::Nanoseconds duration) {
    const auto ns = static_cast<double>(duration);
    if (duration < 1'000) return fmt::format("{} ns", duration);
    if (duration < 1'000'000) return fmt::format("{:.1f} µs", ns / 1e3);
    if (duration < 1'000'000'000) return fmt::format("{:.2f} ms", ns / 1e6);
    return fmt::format("{:.2f} s", ns / 1e9);
}

}  // namespace skbtrail::labs
