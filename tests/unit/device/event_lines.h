// The lines that a log of ring events has written.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace skbtrail::device::test {

/// Each line of the file at `path`, parsed.
inline std::vector<nlohmann::json> read_lines(const std::string& path) {
    std::ifstream file(path);
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
}

}  // namespace skbtrail::device::test
