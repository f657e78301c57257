#include "device/wire/suggest.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <numeric>
#include <vector>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// Letters to insert, delete, change or swap with their neighbour to make one word of the other,
/// case aside (the "optimal string alignment").
std::size_t edit_distance(std::string_view a, std::string_view b) {
    const auto same = [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    };
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min(
                {last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        before.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

}  // namespace

std::string quoted_list(std::span<const std::string_view> words) {
    std::string list;
    for (const auto word : words) {
        list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", word);
    }
    return list;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
    // A user's word may be long; no known one is, and the distance costs its product.
    constexpr std::size_t longest_compared = 64;
    std::string_view nearest;
    std::size_t distance = longest_compared;
    if (word.size() <= longest_compared) {
        for (const auto candidate : known) {
            const std::size_t d = edit_distance(word, candidate);
            if (d < distance) {
                distance = d;
                nearest = candidate;
            }
        }
    }
    // Up to a third of the letters wrong is a slip; more is another word.
    if (!nearest.empty() && distance * 3 <= std::max(nearest.size(), std::size_t{3})) {
        return fmt::format("; did you mean \"{}\"?", nearest);
    }
    if (known.empty()) {
        return "; there are none";
    }
    return fmt::format("; known are {}", quoted_list(known));
}

}  // namespace skbtrail::device
