// What docs/expectations.md says of packets and of the shared paths is what there is.
#include "tracer/chain/packet_words.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "labs/check/packet_selection.h"
#include "tests/places.h"
#include "tracer/chain/json_reader.h"

using namespace skbtrail;

namespace {

using Names = std::set<std::string>;

/// All that `pattern` finds in `text`: its first group.
Names found_in(const std::string& text, const std::string& pattern) {
    Names names;
    const std::regex expression(pattern);
    for (auto match = std::sregex_iterator(text.begin(), text.end(), expression);
         match != std::sregex_iterator(); ++match) {
        names.insert((*match)[1]);
    }
    return names;
}

/// The page's table that begins with `heading`: first cell → the second.
std::map<std::string, std::string> table_of(const std::string& heading) {
    std::istringstream page(chain::read_file(tests::in_source("docs/expectations.md")));
    std::map<std::string, std::string> rows;
    std::string line;
    while (std::getline(page, line) && !line.starts_with("| " + heading + " |")) continue;
    while (std::getline(page, line) && line.starts_with("| ")) {
        const auto middle = line.find(" | ");
        REQUIRE(middle != std::string::npos);
        rows[line.substr(2, middle - 2)] = line.substr(middle + 3);
    }
    return rows;
}

Names first_cells_of(const std::map<std::string, std::string>& table) {
    Names names;
    for (const auto& [cell, meaning] : table) names.merge(found_in(cell, "`([^`]+)`"));
    return names;
}

}  // namespace

TEST_CASE("the table of a packet's words has all there are, and no others") {
    Names words(chain::header_words.begin(), chain::header_words.end());
    words.insert(labs::packet_words.begin(), labs::packet_words.end());
    const auto table = table_of("Word");
    CHECK(first_cells_of(table) == words);
    const std::string quoted = "\"([^\"]+)\"";
    CHECK(found_in(table.at("`fate`"), quoted) ==
          Names(chain::fate_kinds.begin(), chain::fate_kinds.end()));
    CHECK(found_in(table.at("`edge`"), quoted) ==
          Names(chain::edge_kinds.begin(), chain::edge_kinds.end()));
}

TEST_CASE("the table of shared paths has all there are, and says which of them take calls") {
    const auto paths =
        nlohmann::json::parse(chain::read_file(tests::in_source("labs/check/paths.json")));
    Names all;
    Names open;
    for (const auto& [name, steps] : paths["fragments"].items()) {
        all.insert(name);
        if (steps.dump().find("\"$calls\"") != std::string::npos) open.insert(name);
    }
    const auto table = table_of("Fragment");
    Names said_open;
    for (const auto& [cell, meaning] : table) said_open.merge(found_in(cell, "`([^`]+)` …"));
    CHECK(first_cells_of(table) == all);
    CHECK(said_open == open);
}
