#include "guest/debian_version.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

using namespace skbtrail::guest;

TEST_CASE("versions are ordered as deb-version(7) says") {
    // Each before the next; the first rows are from the manual page and Debian's kernels.
    const std::vector<std::string> ascending = {
        "0",
        "1~~",
        "1~~a",
        "1~",
        "1",
        "1-1",
        "1a",
        "1+b",
        "1.0",
        "6.1.170-3",
        "6.1.176-1",
        "6.12~rc7-1~exp1",
        "6.12.9-1",
        "6.12.74-2~bpo12+1",
        "6.12.90-1~bpo12+1",
        "6.12.90-2~bpo12+1",
        "6.12.90-2",
        "6.12.95-1~bpo12+1",
        "6.12.95-1",
        "6.12.95-1+b1",
        "6.12.107-1",
        "7.0.13-1~bpo13+1",
        "99999999999999999999999999.1-1",
        "1:0.1-1",
        "2:0",
    };
    for (std::size_t i = 0; i < ascending.size(); ++i) {
        for (std::size_t j = 0; j < ascending.size(); ++j) {
            CAPTURE(ascending[i], ascending[j]);
            const auto order = compare_debian_versions(ascending[i], ascending[j]);
            REQUIRE((order < 0) == (i < j));
            REQUIRE((order > 0) == (i > j));
        }
    }
}

TEST_CASE("different spellings of one version are equal") {
    CHECK(compare_debian_versions("1.0", "0:1.0") == 0);
    CHECK(compare_debian_versions("1.0", "1.0-0") == 0);
    CHECK(compare_debian_versions("1.007", "1.7") == 0);
    CHECK(compare_debian_versions("", "") == 0);
}

TEST_CASE("the author's part of a version") {
    CHECK(upstream_version("6.12.95-1~bpo12+1") == "6.12.95");
    CHECK(upstream_version("1:10.0.2+ds-2+deb13u1") == "10.0.2+ds");
    CHECK(upstream_version("5") == "5");
}

TEST_CASE("a version belongs to a series of kernels") {
    CHECK(series_of("6.12.95-1~bpo12+1") == "6.12");
    CHECK(series_of("1:6.1.192-2") == "6.1");
    CHECK(series_of("7.3~rc1-1~exp1") == "7.3");
    CHECK(series_of("7.3") == "7.3");
}
