#include "tracer/ftrace/functions.h"

#include <catch2/catch_test_macros.hpp>

using namespace skbtrail::tracer;

TEST_CASE("traceable functions keep the number of their line") {
    const auto functions = parse_traceable_functions(
        "ffffffff81000010 first\n"
        "not an address at all\n"
        "ffffffffc021d4f4 virtnet_poll [virtio_net]\n"
        "\n"
        "ffffffff81000050 __netif_receive_skb_core.constprop.0\n");
    REQUIRE(functions.size() == 3);
    CHECK(functions[0].record == 1);
    CHECK(functions[0].site == 0xffffffff81000010);
    CHECK(functions[0].module.empty());
    CHECK(functions[1].record == 3);
    CHECK(functions[1].name == "virtnet_poll");
    CHECK(functions[1].module == "virtio_net");
    CHECK(functions[2].record == 5);
    CHECK(parse_traceable_functions("").empty());
}

TEST_CASE("modules are read in the file's order") {
    const auto modules = parse_modules(
        "virtio_net 114688 0 - Live 0xffffffffc0210000\n"
        "failover 12288 1 net_failover,virtio_net, Live 0xffffffffc0201000 (E)\n"
        "short line\n");
    REQUIRE(modules.size() == 2);
    CHECK(modules[0].name == "virtio_net");
    CHECK(modules[0].size == 114688);
    CHECK(modules[0].address == 0xffffffffc0210000);
    CHECK(modules[1].name == "failover");
}

TEST_CASE("symbols are found by address and by name") {
    const std::string text =
        "0000000000000000 A fixed_percpu_data\n"
        "ffffffff81000000 T _text\n"
        "ffffffff81000000 T _stext\n"
        "ffffffff81001000 t twin\n"
        "ffffffff81001010 t plain\n"
        "ffffffff82000000 D page_offset_base\n"
        "ffffffffc021d4f0 t virtnet_poll\t[virtio_net]\n";
    const KernelSymbols symbols(text);
    CHECK_FALSE(symbols.hidden());
    CHECK(symbols.address_of("_stext") == 0xffffffff81000000);
    CHECK(symbols.address_of("page_offset_base") == 0xffffffff82000000);
    CHECK(symbols.address_of("stext") == 0);
    CHECK(symbols.address_of("nowhere") == 0);
    // The patched call is at the start, or behind a landing pad.
    CHECK(symbols.function_at(0xffffffff81001010, "plain") == 0xffffffff81001010);
    CHECK(symbols.function_at(0xffffffff81001004, "twin") == 0xffffffff81001000);
    CHECK(symbols.function_at(0xffffffffc021d4f4, "virtnet_poll") == 0xffffffffc021d4f0);
    // Another function's start is not this one's.
    CHECK(symbols.function_at(0xffffffff81001014, "twin") == 0);
    CHECK(symbols.function_at(0xffffffff81005000, "plain") == 0);
    // Whatever it is called: of two names the shorter.
    REQUIRE(symbols.symbol_at(0xffffffff81001014));
    CHECK(symbols.symbol_at(0xffffffff81001014)->name == "plain");
    CHECK(symbols.symbol_at(0xffffffff81001014)->address == 0xffffffff81001010);
    CHECK(symbols.symbol_at(0xffffffff81000000)->name == "_text");
    CHECK_FALSE(symbols.symbol_at(0xffffffff81005000));
}

TEST_CASE("hidden addresses are noticed") {
    CHECK(KernelSymbols("0000000000000000 T _stext\n0000000000000000 t plain\n").hidden());
}

TEST_CASE("a compiler's suffixes are told from the name") {
    CHECK(without_suffix("ip_rcv_finish_core.constprop.0") == "ip_rcv_finish_core");
    CHECK(without_suffix("foo.isra.0.cold") == "foo");
    CHECK(without_suffix("plain") == "plain");
    CHECK(without_suffix(".dotted.part.0") == ".dotted");
}

TEST_CASE("a list without addresses gets them from the symbols") {
    const std::string kallsyms =
        "ffffffff81001000 t twin\n"
        "ffffffff81001100 T one\n"
        "ffffffff81001200 t twin\n"
        "ffffffff81001300 t twin\n"
        "ffffffff81001400 T two\n"
        "ffffffff81001500 d data\n"
        "ffffffff81001600 t twin\n"
        "ffffffff81001700 T three\n"
        "ffffffffc0210000 t one\t[virtio_net]\n";
    const auto functions =
        parse_traceable_names("one\ntwin\ntwo\ntwin\nthree\nmissing\none [virtio_net]\n", kallsyms);
    REQUIRE(functions.size() == 7);
    CHECK(functions[0].record == 1);
    CHECK(functions[0].site == 0xffffffff81001100);
    // Two of that name lie between one and two, and only one of them can be traced.
    CHECK(functions[1].site == 0);
    CHECK(functions[2].site == 0xffffffff81001400);
    // Only one lies between two and three.
    CHECK(functions[3].site == 0xffffffff81001600);
    CHECK(functions[4].site == 0xffffffff81001700);
    CHECK(functions[5].site == 0);
    CHECK(functions[6].site == 0xffffffffc0210000);
    CHECK(functions[6].module == "virtio_net");
    CHECK(functions[6].record == 7);
}

TEST_CASE("as many of one name as there are candidates are told apart by their order") {
    const std::string kallsyms =
        "ffffffff81001000 T one\n"
        "ffffffff81001200 t twin\n"
        "ffffffff81001300 t twin\n"
        "ffffffff81001400 T two\n";
    const auto functions = parse_traceable_names("one\ntwin\ntwin\ntwo\n", kallsyms);
    REQUIRE(functions.size() == 4);
    CHECK(functions[1].site == 0xffffffff81001200);
    CHECK(functions[2].site == 0xffffffff81001300);
}
