#include "tests/bench/pictures.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace skbtrail::bench {
namespace {

std::vector<std::string> parts_of(const std::string& name) {
    std::istringstream text(name);
    std::vector<std::string> parts;
    for (std::string part; std::getline(text, part, '/');) {
        parts.push_back(part);
    }
    return parts;
}

/// The picture of that name, the last of `pictures` if it is new.
Picture& named(std::vector<Picture>& pictures, const Picture& wanted) {
    const auto known = std::ranges::find(pictures, wanted.name, &Picture::name);
    return known != pictures.end() ? *known : pictures.emplace_back(wanted);
}

Column& titled(Picture& picture, const std::string& title, Column::Drawn drawn) {
    const auto known = std::ranges::find(picture.columns, title, &Column::title);
    return known != picture.columns.end()
               ? *known
               : picture.columns.emplace_back(title, std::map<double, double>{}, drawn);
}

void add_cost(const std::vector<std::string>& name, const CellResult& result,
              std::vector<Picture>& pictures) {
    auto& picture = named(pictures, {.name = "cost-" + name[1],
                                     .grows = name[1],
                                     .left = "processor time of the back end, ns a frame",
                                     .right = "",
                                     .columns = {}});
    for (const Series& series : result.series) {
        if (const auto median = series.median()) {
            titled(picture, fmt::format("{}, {}", series.contender, name[3]), Column::Drawn::left)
                .points[std::stod(name[2])] = *median;
        }
    }
}

/// A figure of the collector's (TracerFigures) and how it is shown.
struct Shown {
    const char* figure;
    const char* title;
    Column::Drawn drawn;
};
constexpr std::array shown{Shown{"ping", "round trip, us", Column::Drawn::left},
                           Shown{"memory", "resident, MiB", Column::Drawn::right},
                           Shown{"end flood", "to the file, s", Column::Drawn::right},
                           Shown{"start", "to start, s", Column::Drawn::no},
                           Shown{"lost", "lost", Column::Drawn::no}};

void add_tracer_cost(const std::vector<std::string>& name, const CellResult& result,
                     std::vector<Picture>& pictures) {
    auto& picture = named(pictures, {.name = "tracer-cost-" + name[1],
                                     .grows = name[1],
                                     .left = "mean round trip of a flood ping, us",
                                     .right = "MiB; s",
                                     .columns = {}});
    for (const Series& series : result.series) {
        const auto figures = series.details();
        const auto place = figures.find("place");
        if (place == figures.end()) {
            continue;
        }
        for (const Shown& one : shown) {
            if (const auto figure = figures.find(one.figure); figure != figures.end()) {
                titled(picture, one.title, one.drawn).points[place->second] = figure->second;
            }
        }
    }
}

}  // namespace

std::vector<Picture> pictures_of(const std::vector<CellResult>& results) {
    std::vector<Picture> pictures;
    for (const CellResult& result : results) {
        const auto name = parts_of(result.name);
        if (name.size() == 4 && name[0] == "cost") {
            add_cost(name, result, pictures);
        } else if (name.size() == 3 && name[0] == "tracer-cost") {
            add_tracer_cost(name, result, pictures);
        }
    }
    std::erase_if(pictures, [](const Picture& picture) { return picture.columns.empty(); });
    return pictures;
}

}  // namespace skbtrail::bench
