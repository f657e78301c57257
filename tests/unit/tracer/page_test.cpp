#include "tracer/ftrace/page.h"

#include <random>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tracer/page_builder.h"

using namespace skbtrail::tracer;
using test::PageBuilder;

namespace {

struct Seen {
    std::uint64_t time;
    std::vector<std::uint8_t> data;
    bool operator==(const Seen&) const = default;
};

std::vector<Seen> records_of(std::span<const std::byte> page, PageResult* result = nullptr) {
    std::vector<Seen> seen;
    const auto got = read_page(page, [&seen](const PageRecord& record) {
        std::vector<std::uint8_t> data;
        for (const auto byte : record.data) data.push_back(std::to_integer<std::uint8_t>(byte));
        seen.push_back({record.time, std::move(data)});
    });
    if (result != nullptr) *result = got;
    return seen;
}

}  // namespace

TEST_CASE("a page's records have the time of the page and the sum of their deltas") {
    PageBuilder page(1000);
    page.record(5, {1, 2, 3, 4}).record(7, {9, 9, 9, 9, 8, 8, 8, 8});
    PageResult result;
    const auto seen = records_of(page.finish(), &result);
    REQUIRE(seen.size() == 2);
    CHECK(seen[0] == Seen{1005, {1, 2, 3, 4}});
    CHECK(seen[1] == Seen{1012, {9, 9, 9, 9, 8, 8, 8, 8}});
    CHECK(result.records == 2);
    CHECK_FALSE(result.lost);
    CHECK_FALSE(result.damaged);
}

TEST_CASE("a record's long form carries its own length") {
    PageBuilder page(0);
    const std::vector<std::uint8_t> large(200, 7);
    page.long_record(1, large).record(1, {5, 5, 5, 5});
    const auto seen = records_of(page.finish());
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].data == large);
    CHECK(seen[1] == Seen{2, {5, 5, 5, 5}});
}

TEST_CASE("a time extend adds what does not fit into a delta") {
    PageBuilder page(10);
    page.raw(30, 3, 2).record(1, {1, 1, 1, 1});
    CHECK(records_of(page.finish()) ==
          std::vector<Seen>{{10 + 3 + (2ULL << 27U) + 1, {1, 1, 1, 1}}});
}

TEST_CASE("an absolute time stamp replaces the time") {
    PageBuilder page(10);
    page.raw(31, 4, 5).record(2, {1, 1, 1, 1});
    CHECK(records_of(page.finish()) == std::vector<Seen>{{4 + (5ULL << 27U) + 2, {1, 1, 1, 1}}});
}

TEST_CASE("an absolute time stamp keeps the top bits of the time before it") {
    const std::uint64_t high = 0x0800'0000'0000'0000ULL;
    PageBuilder page(high + 100);
    page.raw(31, 200, 0).record(1, {1, 1, 1, 1});
    CHECK(records_of(page.finish()).front().time == high + 201);
}

TEST_CASE("discarded records are skipped and their time counts") {
    PageBuilder page(0);
    page.raw(29, 6, 8).word(0).record(1, {2, 2, 2, 2});
    CHECK(records_of(page.finish()) == std::vector<Seen>{{7, {2, 2, 2, 2}}});
}

TEST_CASE("padding without a time ends the page") {
    PageBuilder page(0);
    page.record(1, {1, 1, 1, 1}).raw(29, 0, std::nullopt).record(1, {2, 2, 2, 2});
    PageResult result;
    CHECK(records_of(page.finish(), &result).size() == 1);
    CHECK_FALSE(result.damaged);
}

TEST_CASE("a page tells that events were lost before it, and how many if it has room") {
    PageBuilder page(0);
    page.record(1, {1, 1, 1, 1});
    PageResult result;
    records_of(page.finish(true), &result);
    CHECK(result.lost);
    CHECK_FALSE(result.lost_count);
    records_of(page.finish(true, 1234), &result);
    CHECK(result.lost);
    CHECK(result.lost_count == 1234);
    CHECK(result.records == 1);
}

TEST_CASE("an empty page has no records") {
    PageBuilder page(5);
    PageResult result;
    CHECK(records_of(page.finish(), &result).empty());
    CHECK_FALSE(result.damaged);
}

TEST_CASE("bytes that are no page are reported, not read beyond") {
    PageResult result;
    SECTION("nothing") {
        CHECK(records_of({}, &result).empty());
        CHECK_FALSE(result.damaged);
    }
    SECTION("shorter than its header") {
        const std::vector<std::byte> page(15);
        CHECK(records_of(page, &result).empty());
        CHECK(result.damaged);
    }
    SECTION("a commit beyond the page's end") {
        PageBuilder page(0, 64);
        page.record(1, {1, 1, 1, 1});
        auto bytes = page.finish();
        const std::uint64_t commit = 4000;
        std::memcpy(bytes.data() + 8, &commit, sizeof commit);
        records_of(bytes, &result);
        CHECK(result.damaged);
    }
    SECTION("a record beyond the data") {
        PageBuilder page(0);
        page.word(1U << 5U | 28U).word(0);
        CHECK(records_of(page.finish(), &result).empty());
        CHECK(result.damaged);
    }
    SECTION("a long form shorter than its own word") {
        PageBuilder page(0);
        page.word(0).word(3).word(0);
        CHECK(records_of(page.finish(), &result).empty());
        CHECK(result.damaged);
    }
    SECTION("a long form of the largest length") {
        PageBuilder page(0);
        page.word(0).word(0xffffffff).word(0);
        CHECK(records_of(page.finish(), &result).empty());
        CHECK(result.damaged);
    }
    SECTION("a second word that is cut off") {
        for (const std::uint32_t type : {0U, 29U, 30U, 31U}) {
            PageBuilder page(0);
            page.word(1U << 5U | type);
            records_of(page.finish(), &result);
            CHECK(result.damaged);
        }
    }
    SECTION("a discarded record that reaches beyond the end") {
        PageBuilder page(0);
        page.raw(29, 1, 0xfffffff0);
        CHECK(records_of(page.finish(), &result).empty());
    }
}

TEST_CASE("random pages end") {
    std::mt19937 random(4711);  // NOLINT(bugprone-random-generator-seed): the same every time
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::byte> page(16 + random() % 512);
        for (auto& byte : page) byte = static_cast<std::byte>(random());
        const std::uint64_t commit = random() % 600;
        std::memcpy(page.data() + 8, &commit, sizeof commit);
        const auto result = read_page(page, [](const PageRecord&) {});
        CHECK(result.records <= page.size() / 4);
    }
}
