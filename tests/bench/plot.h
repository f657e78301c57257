// A table of figures over something that grows, and its plot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace skbtrail::bench {

/// One figure, by what grows.
struct Column {
    enum class Drawn : std::uint8_t { left, right, no };  ///< by which axis; or in the table only

    std::string title;
    std::map<double, double> points;
    Drawn drawn = Drawn::left;
};

struct Picture {
    std::string name;   ///< of its files: NAME.tsv, NAME.gp, NAME.svg
    std::string grows;  ///< what grows
    std::string left;   ///< what the left axis measures, with its unit
    std::string right;  ///< the right one; empty: there is none
    std::vector<Column> columns;
};

/// A row for each value of what grows, a column for each figure; "-" where nothing was measured.
/// Columns are separated by tabs, the first line has their titles.
std::string table_of(const Picture& picture);

/// Writes the table and the plot that gnuplot makes of it into `directory`, which is made if need
/// be. Throws std::runtime_error with a sentence when gnuplot or the directory fails.
void draw(const Picture& picture, const std::filesystem::path& directory);

}  // namespace skbtrail::bench
