#include "tests/bench/plot.h"

#include <fstream>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "guest/process.h"

namespace skbtrail::bench {
namespace {

void write(const std::filesystem::path& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    if (!file.flush()) {
        throw std::runtime_error(fmt::format("cannot write {}", path.string()));
    }
}

std::string script_for(const Picture& picture, const std::filesystem::path& table,
                       const std::filesystem::path& image) {
    std::string lines;
    for (std::size_t i = 0; i < picture.columns.size(); ++i) {
        const auto drawn = picture.columns[i].drawn;
        if (drawn == Column::Drawn::no) {
            continue;
        }
        lines += fmt::format("{}\"{}\" using 1:{}:xtic(1) axes x1{} with linespoints",
                             lines.empty() ? "" : ", ", table.string(), i + 2,
                             drawn == Column::Drawn::left ? "y1" : "y2");
    }
    std::string right;
    if (!picture.right.empty()) {
        right =
            fmt::format("set ytics nomirror\nset y2tics\nset y2range [0:*]\nset y2label \"{}\"\n",
                        picture.right);
    }
    return fmt::format(R"(set terminal svg size 800,500 background "white"
set output "{}"
set datafile separator "\t"
set datafile missing "-"
set key autotitle columnhead outside bottom center horizontal maxcols 2
set logscale x 2
set yrange [0:*]
set grid ytics
set xlabel "{}"
set ylabel "{}"
{}plot {}
)",
                       image.string(), picture.grows, picture.left, right, lines);
}

}  // namespace

std::string table_of(const Picture& picture) {
    std::set<double> places;
    std::string text = picture.grows;
    for (const Column& column : picture.columns) {
        text += "\t" + column.title;
        for (const auto& [place, figure] : column.points) {
            places.insert(place);
        }
    }
    text += '\n';
    for (const double place : places) {
        text += fmt::format("{}", place);
        for (const Column& column : picture.columns) {
            const auto point = column.points.find(place);
            text += point == column.points.end() ? "\t-" : fmt::format("\t{:.1f}", point->second);
        }
        text += '\n';
    }
    return text;
}

void draw(const Picture& picture, const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    const auto with = [&](const char* ending) { return directory / (picture.name + ending); };
    write(with(".tsv"), table_of(picture));
    write(with(".gp"), script_for(picture, with(".tsv"), with(".svg")));
    guest::Command command;
    command.arguments = {"gnuplot", with(".gp").string()};
    const auto result = guest::run_process(command);
    if (!result.succeeded()) {
        throw std::runtime_error(guest::describe(command, result));
    }
}

}  // namespace skbtrail::bench
