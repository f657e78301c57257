#include "tests/bench/placement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>

namespace skbtrail::bench {
namespace {

/// Round trips vary by less than this where nothing moves.
constexpr double clearly_further = 2;

CellResult part_of(const CellResult& whole, const std::string& name,
                   const std::function<bool(const Sample&)>& belongs) {
    CellResult part{whole.name + " " + name, whole.unit, whole.more_is_better, {}, true};
    for (const Series& series : whole.series) {
        Series& chosen = part.series.emplace_back(Series{series.contender, {}});
        std::ranges::copy_if(series.samples, std::back_inserter(chosen.samples), belongs);
    }
    return part;
}

bool is_empty(const CellResult& result) {
    return std::ranges::all_of(result.series,
                               [](const Series& series) { return series.samples.empty(); });
}

}  // namespace

Placements placements_of(const std::vector<CellResult>& results) {
    double shortest = std::numeric_limits<double>::infinity();
    double longest = 0;
    for (const CellResult& result : results) {
        if (!result.between_processors) {
            continue;
        }
        for (const Series& series : result.series) {
            for (const Sample& sample : series.samples) {
                shortest =
                    std::min({shortest, sample.distance.before_ns, sample.distance.after_ns});
                longest = std::max({longest, sample.distance.before_ns, sample.distance.after_ns});
            }
        }
    }
    return {.two = longest > clearly_further * shortest, .limit_ns = std::sqrt(shortest * longest)};
}

std::vector<CellResult> by_placement(const std::vector<CellResult>& results) {
    const Placements placements = placements_of(results);
    if (!placements.two) {
        return results;
    }
    const double limit = placements.limit_ns;
    std::vector<CellResult> parts;
    for (const CellResult& result : results) {
        if (!result.between_processors) {
            parts.push_back(result);
            continue;
        }
        for (CellResult& part : std::array{
                 part_of(result, "near",
                         [limit](const Sample& sample) {
                             return std::max(sample.distance.before_ns, sample.distance.after_ns) <
                                    limit;
                         }),
                 part_of(result, "far", [limit](const Sample& sample) {
                     return std::min(sample.distance.before_ns, sample.distance.after_ns) >= limit;
                 })}) {
            if (!is_empty(part)) {
                parts.push_back(std::move(part));
            }
        }
    }
    return parts;
}

}  // namespace skbtrail::bench
