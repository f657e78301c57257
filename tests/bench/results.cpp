#include "tests/bench/results.h"

#include <algorithm>
#include <exception>

#include "tests/bench/distance.h"

namespace skbtrail::bench {
namespace {

std::optional<double> ratio(std::optional<double> ours, std::optional<double> theirs,
                            bool more_is_better) {
    if (!ours || !theirs || *ours == 0 || *theirs == 0) {
        return std::nullopt;
    }
    return more_is_better ? *ours / *theirs : *theirs / *ours;
}

/// A contender that fails is a result of this turn, not the end of the benchmark.
Sample run_contender(const Contender& contender, const Conditions& conditions) {
    try {
        return contender.run(conditions);
    } catch (const std::exception& error) {
        Sample failed;
        failed.missing = error.what();
        return failed;
    }
}

Sample turn(const Contender& contender, const Conditions& conditions) {
    const double before = round_trip_ns(conditions.front_cpu, conditions.back_cpu);
    Sample sample = run_contender(contender, conditions);
    sample.distance = {before, round_trip_ns(conditions.front_cpu, conditions.back_cpu)};
    return sample;
}

}  // namespace

double median_of(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> Series::values() const {
    std::vector<double> values;
    for (const Sample& sample : samples) {
        if (sample.missing.empty()) {
            values.push_back(sample.value);
        }
    }
    return values;
}

std::optional<double> Series::median() const {
    const auto all = values();
    return all.empty() ? std::nullopt : std::optional(median_of(all));
}

std::optional<double> Series::best(bool more_is_better) const {
    const auto all = values();
    if (all.empty()) {
        return std::nullopt;
    }
    return more_is_better ? std::ranges::max(all) : std::ranges::min(all);
}

std::map<std::string, double> Series::details() const {
    std::map<std::string, std::vector<double>> all;
    for (const Sample& sample : samples) {
        for (const auto& [name, value] : sample.details) {
            all[name].push_back(value);
        }
    }
    std::map<std::string, double> medians;
    for (const auto& [name, values] : all) {
        medians[name] = median_of(values);
    }
    return medians;
}

std::size_t Series::disturbed() const {
    return static_cast<std::size_t>(std::ranges::count_if(samples, &Sample::disturbed));
}

std::string Series::missing() const {
    std::string reason;
    for (const Sample& sample : samples) {
        if (!sample.missing.empty()) {
            reason = sample.missing;
        }
    }
    return reason;
}

std::optional<double> CellResult::ratio_of_medians() const {
    return series.size() < 2 ? std::nullopt
                             : ratio(series[0].median(), series[1].median(), more_is_better);
}

std::optional<double> CellResult::ratio_of_bests() const {
    return series.size() < 2 ? std::nullopt
                             : ratio(series[0].best(more_is_better), series[1].best(more_is_better),
                                     more_is_better);
}

std::vector<CellResult> run_cells(
    const std::vector<Cell>& cells, unsigned rounds, const Conditions& conditions,
    const std::function<bool(const Cell&, const Contender&, const Sample&)>& progress) {
    std::vector<CellResult> results;
    for (const Cell& cell : cells) {
        CellResult& result = results.emplace_back(
            CellResult{cell.name, cell.unit, cell.more_is_better, {}, cell.between_processors});
        for (const Contender& contender : cell.contenders) {
            result.series.push_back({contender.name, {}});
        }
    }
    for (unsigned round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const std::size_t count = cells[i].contenders.size();
            for (std::size_t place = 0; place < count; ++place) {
                const std::size_t which = round % 2 == 0 ? place : count - 1 - place;
                const Contender& contender = cells[i].contenders[which];
                const Sample sample = turn(contender, conditions);
                if (!progress(cells[i], contender, sample)) {
                    return results;
                }
                results[i].series[which].samples.push_back(sample);
            }
        }
    }
    return results;
}

}  // namespace skbtrail::bench
