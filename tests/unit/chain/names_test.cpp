#include "tracer/chain/names.h"

#include <array>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tracer/chain/suggest.h"

using namespace skbtrail::chain;

TEST_CASE("a name is compared without what a compiler adds to it") {
    const auto [name, base] = GENERATE(table<std::string_view, std::string_view>({
        {"ip_rcv", "ip_rcv"},
        {"ip_rcv_core.isra.0", "ip_rcv_core"},
        {"ip_rcv_core.constprop.12", "ip_rcv_core"},
        {"virtnet_poll.part.0.cold", "virtnet_poll"},
        {"a.isra.0.constprop.1.part.2.cold", "a"},
        {"a.cold", "a"},
        {"a.llvm.1234567890", "a"},
        {"a.lto_priv.0", "a"},
        {"a.localalias", "a"},
        {"a.b", "a.b"},
        {"a.0", "a.0"},
        {"a.isra", "a"},
        {"a.isra.x", "a.isra.x"},
        {"a.", "a."},
        {".isra.0", ".isra.0"},
        {"isra.0", "isra.0"},
        {"", ""},
        {"bpf_prog_6deef7357e7b4530.isra.0", "bpf_prog_6deef7357e7b4530"},
    }));
    INFO(name);
    CHECK(base_name(name) == base);
}

TEST_CASE("a slip is recognised, another word is not") {
    constexpr std::array<std::string_view, 4> words = {"call", "calls", "optional", "somewhere"};
    CHECK(closest("optoinal", words) == "optional");
    CHECK(closest("cal", words) == "call");
    CHECK(closest("somwhere", words) == "somewhere");
    CHECK_FALSE(closest("forbid", words));
    CHECK_FALSE(closest("", words).has_value());
    CHECK(did_you_mean("calles", words) == "; did you mean \"calls\"?");
    CHECK(did_you_mean("xyz", words).empty());
}
