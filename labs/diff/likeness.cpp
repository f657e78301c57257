#include "labs/diff/likeness.h"

#include <algorithm>
#include <map>

namespace skbtrail::labs::diff {
namespace {

/// Above so many pairs of calls, the best choice is not looked for: a list of a thousand calls
/// below one call is a loop, and its turns follow each other.
constexpr std::size_t most_pairs = 1'000'000;

std::vector<NameId> called(const ViewCall& call) {
    std::vector<NameId> names;
    names.reserve(call.calls.size());
    for (const ViewCall& below : call.calls) names.push_back(below.name);
    std::sort(names.begin(), names.end());
    return names;
}

double worth(const ViewCall& a, const ViewCall& b) {
    if (a.name != b.name) return 0;
    if (a.shape == b.shape) return 4;
    return 1 + likeness(a, b) + (a.takes == b.takes ? 1 : 0);
}

/// Each call of `a` with the next call of `b` that has its name.
std::vector<std::pair<std::size_t, std::size_t>> next_of_same_name(
    std::span<const ViewCall* const> a, std::span<const ViewCall* const> b) {
    std::map<NameId, std::vector<std::size_t>> places;
    for (std::size_t j = 0; j < b.size(); ++j) places[b[j]->name].push_back(j);
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    std::size_t next = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto found = places.find(a[i]->name);
        if (found == places.end()) continue;
        const auto place = std::lower_bound(found->second.begin(), found->second.end(), next);
        if (place == found->second.end()) continue;
        pairs.emplace_back(i, *place);
        next = *place + 1;
    }
    return pairs;
}

}  // namespace

double likeness(const ViewCall& a, const ViewCall& b) {
    const auto of_a = called(a);
    const auto of_b = called(b);
    if (of_a.empty() && of_b.empty()) return 1;
    std::vector<NameId> both;
    std::set_intersection(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
                          std::back_inserter(both));
    return static_cast<double>(both.size()) /
           static_cast<double>(std::max(of_a.size(), of_b.size()));
}

double likeness(std::string_view a, std::string_view b) {
    if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
    std::vector<std::size_t> row(b.size() + 1, 0);
    for (const char letter : a) {
        std::size_t diagonal = 0;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = letter == b[j - 1] ? diagonal + 1 : std::max(row[j], row[j - 1]);
            diagonal = above;
        }
    }
    return 2.0 * static_cast<double>(row.back()) / static_cast<double>(a.size() + b.size());
}

std::vector<std::pair<std::size_t, std::size_t>> common_calls(std::span<const ViewCall* const> a,
                                                              std::span<const ViewCall* const> b) {
    if (a.empty() || b.empty()) return {};
    if (a.size() * b.size() > most_pairs) return next_of_same_name(a, b);
    // The longest common subsequence, with worth instead of length; best[i][j] is of the rest of
    // both lists behind i and j.
    const std::size_t columns = b.size() + 1;
    std::vector<double> best((a.size() + 1) * columns, 0);
    const auto at = [&](std::size_t i, std::size_t j) -> double& { return best[i * columns + j]; };
    for (std::size_t i = a.size(); i-- > 0;) {
        for (std::size_t j = b.size(); j-- > 0;) {
            const double paired = worth(*a[i], *b[j]);
            at(i, j) =
                std::max({at(i + 1, j), at(i, j + 1), paired > 0 ? paired + at(i + 1, j + 1) : 0});
        }
    }
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
        const double paired = worth(*a[i], *b[j]);
        if (paired > 0 && at(i, j) == paired + at(i + 1, j + 1)) {
            pairs.emplace_back(i++, j++);
        } else if (at(i, j) == at(i + 1, j)) {
            ++i;
        } else {
            ++j;
        }
    }
    return pairs;
}

}  // namespace skbtrail::labs::diff
