// What one thing costs as another grows: tables, and the plots that are made of them.

#include "tests/bench/pictures.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

using namespace skbtrail::bench;

namespace {

CellResult result(std::string name, std::vector<Series> series) {
    CellResult result;
    result.name = std::move(name);
    result.series = std::move(series);
    return result;
}

Series series(std::string contender, double value, std::map<std::string, double> details = {}) {
    Sample sample;
    sample.value = value;
    sample.details = std::move(details);
    return {std::move(contender), {sample}};
}

Series missing(std::string contender) {
    Sample sample;
    sample.missing = "not there";
    return {std::move(contender), {sample}};
}

std::string text_of(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("pictures: the NIC's cost has a column for each contender and direction", "[bench]") {
    const auto pictures = pictures_of(
        {result("cost/burst/1/transmit", {series("ours", 58.5), series("theirs", 78.9)}),
         result("cost/burst/32/transmit", {series("ours", 25)}),
         result("cost/burst/32/receive", {series("ours", 26.3)}),
         result("pairs/64/split/transmit", {series("ours", 40)}),
         result("cost/queues/2/receive", {missing("ours")})});
    REQUIRE(pictures.size() == 1);
    CHECK(pictures[0].name == "cost-burst");
    CHECK(table_of(pictures[0]) ==
          "burst\tours, transmit\ttheirs, transmit\tours, receive\n"
          "1\t58.5\t78.9\t-\n"
          "32\t25.0\t-\t26.3\n");
}

TEST_CASE("pictures: the collector's cost has a column for each figure", "[bench]") {
    const auto turn = [](double place, double ping, double memory) {
        return series("skbtrail-collect", ping,
                      {{"place", place}, {"ping", ping}, {"memory", memory}, {"lost", 7}});
    };
    const auto pictures = pictures_of({result("tracer-cost/functions/all", {turn(7250, 544, 31)}),
                                       result("tracer-cost/functions/icmp_*", {turn(90, 159, 16)}),
                                       result("tracer-cost/processors/2", {turn(2, 893, 44)})});
    REQUIRE(pictures.size() == 2);
    CHECK(pictures[0].name == "tracer-cost-functions");
    CHECK(table_of(pictures[0]) ==
          "functions\tround trip, us\tresident, MiB\tlost\n"
          "90\t159.0\t16.0\t7.0\n"
          "7250\t544.0\t31.0\t7.0\n");
}

TEST_CASE("pictures: gnuplot draws what is to be drawn, and the table has all", "[bench]") {
    const Picture picture{.name = "tracer-cost-functions",
                          .grows = "functions",
                          .left = "us",
                          .right = "MiB",
                          .columns = {{"round trip, us", {{90, 159}, {7250, 544}}},
                                      {"resident, MiB", {{90, 16}}, Column::Drawn::right},
                                      {"lost", {{90, 0}}, Column::Drawn::no}}};
    const auto directory = std::filesystem::temp_directory_path() /
                           ("skbtrail-pictures-" + std::to_string(::getpid()));
    draw(picture, directory);
    CHECK(text_of(directory / "tracer-cost-functions.tsv") == table_of(picture));
    const auto plot = text_of(directory / "tracer-cost-functions.svg");
    CHECK(plot.find("round trip, us") != std::string::npos);
    CHECK(plot.find("resident, MiB") != std::string::npos);
    CHECK(plot.find(">lost<") == std::string::npos);
    std::filesystem::remove_all(directory);
}
