#include "tracer/ftrace/format.h"

#include <cstring>

#include <catch2/catch_test_macros.hpp>

#include "tests/places.h"
#include "tracer/failure.h"
#include "tracer/files.h"
#include "tracer/ftrace/trace_buffer.h"

using namespace skbtrail::tracer;

namespace {

std::string format_file(const char* name) {
    return read_file(skbtrail::tests::in_source(std::string("tests/unit/tracer/data/ping-6.12/") +
                                                name + ".format"));
}

template <typename Number>
void put(std::vector<std::byte>& data, std::size_t offset, Number value) {
    std::memcpy(data.data() + offset, &value, sizeof value);
}

}  // namespace

TEST_CASE("a format file gives the event's id and its fields' places") {
    const auto format = parse_format(format_file("funcgraph_exit"));
    CHECK(format.id == 10);
    REQUIRE(format.field("func"));
    CHECK(format.field("func")->offset == 8);
    CHECK(format.field("func")->size == 8);
    CHECK(format.field("depth")->offset == 16);
    CHECK(format.field("overrun")->offset == 20);
    CHECK(format.field("common_pid")->offset == 4);
    CHECK_FALSE(format.field("retval"));
    CHECK_FALSE(format.field("fun"));
}

TEST_CASE("a file that is no format is refused with a reason") {
    CHECK_THROWS_AS(parse_format(""), Failure);
    CHECK_THROWS_AS(parse_format("name: x\nID: zero\n"), Failure);
    CHECK_THROWS_AS(parse_format("name: x\nID: 70000\n"), Failure);
}

TEST_CASE("a kernel whose records lack a field is refused by that field's name") {
    const auto entry = parse_format(format_file("funcgraph_entry"));
    EventFormat without = entry;
    without.text.replace(without.text.find(" func;"), 6, " fuse;");
    try {
        const GraphDecoder decoder(without, entry);
        FAIL("it was accepted");
    } catch (const Failure& failure) {
        CHECK(std::string(failure.what()).find("\"func\"") != std::string::npos);
    }
}

TEST_CASE("entries and returns are decoded, other records are not") {
    const GraphDecoder decoder(parse_format(format_file("funcgraph_entry")),
                               parse_format(format_file("funcgraph_exit")));
    std::vector<std::byte> data(40);
    put<std::uint16_t>(data, 0, 11);
    put<std::uint8_t>(data, 2, flag_softirq);
    put<std::uint32_t>(data, 4, 4242);
    put<std::uint64_t>(data, 8, 0xffffffff81a1cd84);
    put<std::int32_t>(data, 16, 3);
    auto record = decoder.decode(std::span(data).first(20));
    REQUIRE(record);
    CHECK(record->entry);
    CHECK(record->flags == flag_softirq);
    CHECK(record->pid == 4242);
    CHECK(record->site == 0xffffffff81a1cd84);
    CHECK(record->depth == 3);
    CHECK_FALSE(decoder.decode(std::span(data).first(19)));
    CHECK_FALSE(decoder.decode({}));

    put<std::uint16_t>(data, 0, 10);
    put<std::uint32_t>(data, 20, 7);
    record = decoder.decode(data);
    REQUIRE(record);
    CHECK_FALSE(record->entry);
    CHECK(record->overrun == 7);

    put<std::uint16_t>(data, 0, 5);
    CHECK_FALSE(decoder.decode(data));
}

TEST_CASE("a CPU's counters are read from its stats file") {
    const auto stats = parse_stats(
        "entries: 12\noverrun: 3\ncommit overrun: 4\nbytes: 504\noldest event ts:     3.350696\n"
        "now ts:     3.393003\ndropped events: 5\nread events: 6\n");
    CHECK(stats.overrun == 3);
    CHECK(stats.commit_overrun == 4);
    CHECK(stats.dropped == 5);
    CHECK(parse_stats("").overrun == 0);
}
