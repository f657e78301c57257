#include "tests/bench/report.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace skbtrail::bench {
namespace {

/// Three digits that mean something, whatever the unit.
std::string number(double value) {
    if (value >= 100) {
        return fmt::format("{:.0f}", value);
    }
    return value >= 10 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

std::string number(std::optional<double> value) {
    return value ? number(*value) : std::string("-");
}

/// Of two that were mostly disturbed a ratio is a guess, and looks like one.
std::string ratio(std::optional<double> value, const CellResult& result) {
    if (!value) {
        return "-";
    }
    bool doubtful = false;
    for (std::size_t i = 0; i < 2 && i < result.series.size(); ++i) {
        doubtful |= result.series[i].disturbed() * 2 > result.series[i].samples.size();
    }
    return fmt::format("{:.2f}{}", *value, doubtful ? "?" : "");
}

/// The percentiles, and the median too of a contender that has no column.
std::string in_passing(const Series& series, bool has_column) {
    std::string text;
    if (const auto median = series.median(); median && !has_column) {
        text = fmt::format(" {}", number(*median));
    }
    for (const auto& [name, value] : series.details()) {
        if (name == "p90" || name == "p99") {
            text += fmt::format(" {} {}", name, number(value));
        }
    }
    return text.empty() ? text : fmt::format("  [{}:{}]", series.contender, text);
}

std::string remarks(const CellResult& result) {
    std::string text;
    for (std::size_t i = 0; i < result.series.size(); ++i) {
        const Series& series = result.series[i];
        text += in_passing(series, i < 2);
        if (const auto reason = series.missing(); !reason.empty()) {
            text += fmt::format("  [{}: {}]", series.contender, reason);
        }
        if (const auto count = series.disturbed(); count != 0) {
            text += fmt::format("  [{}: {} of {} disturbed]", series.contender, count,
                                series.samples.size());
        }
    }
    return text;
}

using Row = std::vector<std::string>;

Row row_of(const CellResult& result) {
    Row row{result.name};
    for (std::size_t i = 0; i < 2; ++i) {
        if (i >= result.series.size()) {
            row.insert(row.end(), {"", "", ""});
            continue;
        }
        const Series& series = result.series[i];
        row.insert(row.end(), {series.contender, number(series.median()),
                               number(series.best(result.more_is_better))});
    }
    row.insert(row.end(), {result.unit, ratio(result.ratio_of_medians(), result),
                           ratio(result.ratio_of_bests(), result)});
    return row;
}

nlohmann::json optional_number(std::optional<double> value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

nlohmann::json json_of(const Sample& sample) {
    nlohmann::json json{{"disturbed", sample.disturbed},
                        {"round_trip_ns", {sample.distance.before_ns, sample.distance.after_ns}}};
    if (sample.missing.empty()) {
        json["value"] = sample.value;
    } else {
        json["missing"] = sample.missing;
    }
    if (!sample.details.empty()) {
        json["details"] = sample.details;
    }
    return json;
}

}  // namespace

std::string table_of(const std::vector<CellResult>& results) {
    std::vector<Row> rows{{"cell", "first", "median", "best", "second", "median", "best", "unit",
                           "ratio", "of bests"}};
    for (const CellResult& result : results) {
        rows.push_back(row_of(result));
    }
    std::vector<std::size_t> widths(rows.front().size());
    for (const Row& row : rows) {
        for (std::size_t column = 0; column < row.size(); ++column) {
            widths[column] = std::max(widths[column], row[column].size());
        }
    }
    std::string text;
    for (std::size_t line = 0; line < rows.size(); ++line) {
        for (std::size_t column = 0; column < widths.size(); ++column) {
            const std::string& word = rows[line][column];
            const bool is_word = column == 0 || column == 1 || column == 4 || column == 7;
            text += is_word ? fmt::format("{:<{}}  ", word, widths[column])
                            : fmt::format("{:>{}}  ", word, widths[column]);
        }
        text += line == 0 ? std::string() : remarks(results[line - 1]);
        while (text.ends_with(' ')) {
            text.pop_back();
        }
        text += '\n';
    }
    return text;
}

nlohmann::json json_of(const std::vector<CellResult>& results) {
    nlohmann::json cells = nlohmann::json::array();
    for (const CellResult& result : results) {
        nlohmann::json contenders = nlohmann::json::array();
        for (const Series& series : result.series) {
            nlohmann::json samples = nlohmann::json::array();
            for (const Sample& sample : series.samples) {
                samples.push_back(json_of(sample));
            }
            contenders.push_back({{"name", series.contender},
                                  {"median", optional_number(series.median())},
                                  {"best", optional_number(series.best(result.more_is_better))},
                                  {"samples", samples}});
        }
        cells.push_back({{"name", result.name},
                         {"unit", result.unit},
                         {"more_is_better", result.more_is_better},
                         {"contenders", contenders},
                         {"ratio_of_medians", optional_number(result.ratio_of_medians())},
                         {"ratio_of_bests", optional_number(result.ratio_of_bests())}});
    }
    return cells;
}

std::string describe(const Placements& placements) {
    if (!placements.two) {
        return {};
    }
    return fmt::format(
        "The two processors were now near each other, now far: a cache line was there and back in "
        "less than {:.0f} ns, or in more. Turns during which they moved are not in the table.\n",
        placements.limit_ns);
}

std::string describe(const Sample& sample, const std::string& unit) {
    if (!sample.missing.empty()) {
        return sample.missing;
    }
    return fmt::format("{} {}{} (round trip {:.0f}, {:.0f} ns)", number(sample.value), unit,
                       sample.disturbed ? ", disturbed" : "", sample.distance.before_ns,
                       sample.distance.after_ns);
}

}  // namespace skbtrail::bench
