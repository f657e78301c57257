#include "tests/bench/plot.h"

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "guest/process.h"

namespace skbtrail::bench {
namespace {

/// Median by line of the plot, by place on the axis.
using Lines = std::map<std::string, std::map<unsigned, double>>;

std::map<std::string, Lines> axes_of(const std::vector<CellResult>& results) {
    std::map<std::string, Lines> axes;
    for (const CellResult& result : results) {
        std::istringstream name(result.name);
        std::string suite;
        std::string axis;
        std::string value;
        std::string direction;
        if (!std::getline(name, suite, '/') || suite != "cost" || !std::getline(name, axis, '/') ||
            !std::getline(name, value, '/') || !std::getline(name, direction)) {
            continue;
        }
        for (const Series& series : result.series) {
            if (const auto median = series.median()) {
                axes[axis][fmt::format("{}, {}", series.contender, direction)]
                    [static_cast<unsigned>(std::stoul(value))] = *median;
            }
        }
    }
    return axes;
}

void write(const std::filesystem::path& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    if (!file.flush()) {
        throw std::runtime_error(fmt::format("cannot write {}", path.string()));
    }
}

/// A row a place on the axis, a column a line of the plot; "-" where nothing was measured.
std::string table_of(const std::string& axis, const Lines& lines) {
    std::map<unsigned, bool> places;
    std::string text = axis;
    for (const auto& [name, points] : lines) {
        text += "\t" + name;
        for (const auto& [place, cost] : points) {
            places[place] = true;
        }
    }
    text += '\n';
    for (const auto& [place, there] : places) {
        text += std::to_string(place);
        for (const auto& [name, points] : lines) {
            const auto point = points.find(place);
            text += point == points.end() ? "\t-" : fmt::format("\t{:.1f}", point->second);
        }
        text += '\n';
    }
    return text;
}

std::string script_for(const std::string& axis, std::size_t lines,
                       const std::filesystem::path& table, const std::filesystem::path& picture) {
    return fmt::format(R"(set terminal svg size 800,500 background "white"
set output "{}"
set datafile separator "\t"
set datafile missing "-"
set key autotitle columnhead outside bottom center horizontal maxcols 2
set logscale x 2
set yrange [0:*]
set grid ytics
set xlabel "{}"
set ylabel "processor time of the back end, ns a frame"
plot for [line=2:{}] "{}" using 1:line:xtic(1) with linespoints
)",
                       picture.string(), axis, lines + 1, table.string());
}

}  // namespace

void plot_costs(const std::vector<CellResult>& results, const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    for (const auto& [axis, lines] : axes_of(results)) {
        const auto file = directory / ("cost-" + axis);
        const auto with = [&file](const char* ending) {
            return std::filesystem::path(file.string() + ending);
        };
        write(with(".tsv"), table_of(axis, lines));
        write(with(".gp"), script_for(axis, lines.size(), with(".tsv"), with(".svg")));
        guest::Command command;
        command.arguments = {"gnuplot", with(".gp").string()};
        const auto result = guest::run_process(command);
        if (!result.succeeded()) {
            throw std::runtime_error(guest::describe(command, result));
        }
    }
}

}  // namespace skbtrail::bench
