// What becomes of a boot's records; that a kernel makes them is for labs/protocol-registration.
#include "tracer/boot_trace.h"

#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "tests/unit/tracer/fixture.h"

using namespace skbtrail;
using namespace skbtrail::tracer;
using test::Story;

namespace {

/// A boot that registers one protocol, then calls something else.
BootTrace boot_of(const FunctionTable& table) {
    Story story(table);
    story.thread(1).enter("inet_init").enter("proto_register").leave("proto_register");
    story.enter("arp_init").enter("dev_add_pack").leave("dev_add_pack").leave("arp_init");
    story.leave("inet_init").enter("unix_init").leave("unix_init");
    BootTrace boot;
    boot.capture = std::move(story.capture);
    boot.roots = {"inet_init"};
    boot.traced = {"proto_register", "sock_register"};
    boot.stats.push_back({.cpu = 0, .overrun = 0, .commit_overrun = 0, .dropped = 7});
    return boot;
}

FunctionTable boot_table() {
    return test::make_table(
        {}, {"inet_init", "proto_register", "arp_init", "dev_add_pack", "unix_init"});
}

/// As /proc/kallsyms would have the functions of `table`, but `missing`.
std::string symbols_of(const FunctionTable& table, const std::string& missing = "") {
    std::string text = "ffffffff81000000 T _stext\n";
    for (FunctionId id = 0; id < table.size(); ++id) {
        if (table[id].name == missing) continue;
        text += fmt::format("{:016x} t {}\n", table[id].symbol, table[id].name);
    }
    return text;
}

}  // namespace

TEST_CASE("lists of tracefs name functions, or say that they are empty") {
    CHECK(listed_functions("inet_init\nip_init (1)  \n\n") ==
          std::vector<std::string>{"inet_init", "ip_init"});
    CHECK(listed_functions("#### all functions enabled ####\n").empty());
    CHECK(listed_functions("").empty());
}

TEST_CASE("functions of the boot are told by their addresses, and roots are roots") {
    const auto table = boot_table();
    const auto boot = boot_of(table);
    const auto text = symbols_of(table);
    const auto functions = functions_of_boot(boot.capture, KernelSymbols(text), boot.roots);
    CHECK(functions.size() == 5);
    const auto root = functions.at_symbol(test::symbol_of(table, "inet_init"));
    REQUIRE(root != no_function);
    CHECK(functions[root].name == "inet_init");
    CHECK(functions[root].roles != 0);
    const auto other = functions.at_symbol(test::symbol_of(table, "unix_init"));
    REQUIRE(other != no_function);
    CHECK(functions[other].roles == 0);
}

TEST_CASE("the boot's chains come first, and the others are numbered behind them") {
    const auto table = boot_table();
    const auto boot = boot_of(table);
    const auto text = symbols_of(table);
    chain::Recording recording;
    chain::Chain outer;
    outer.id = 1;
    outer.root.function = "__x64_sys_socket";
    chain::Chain nested = outer;
    nested.id = 2;
    nested.nested_in = chain::NestedIn{1, "inet_create"};
    recording.chains = {outer, nested};
    recording.observed.traced = {"inet_create", "proto_register"};
    add_boot(boot, functions_of_boot(boot.capture, KernelSymbols(text), boot.roots), recording);

    REQUIRE(recording.chains.size() == 3);
    const auto& first = recording.chains[0];
    CHECK(first.id == 1);
    CHECK(first.comm == "swapper/0");
    CHECK(first.root.function == "inet_init");
    REQUIRE(first.root.calls.size() == 2);
    CHECK(first.root.calls[0].function == "proto_register");
    REQUIRE(first.root.calls[1].calls.size() == 1);
    CHECK(first.root.calls[1].calls[0].function == "dev_add_pack");
    CHECK(recording.chains[1].id == 2);
    CHECK(recording.chains[2].id == 3);
    CHECK(recording.chains[2].nested_in->chain == 2);
    CHECK(recording.observed.traced ==
          std::vector<std::string>{"arp_init", "dev_add_pack", "inet_create", "inet_init",
                                   "proto_register", "sock_register", "unix_init"});
    REQUIRE(recording.losses.size() == 1);
    CHECK(recording.losses[0].kind == "boot_trace_full");
    CHECK(recording.losses[0].count == 7);
}

TEST_CASE("a record of the boot that no symbol explains is a loss, not a guess") {
    const auto table = boot_table();
    const auto boot = boot_of(table);
    const auto text = symbols_of(table, "dev_add_pack");
    chain::Recording recording;
    add_boot(boot, functions_of_boot(boot.capture, KernelSymbols(text), boot.roots), recording);
    REQUIRE(recording.losses.size() == 2);
    CHECK(recording.losses[1].kind == "boot_unknown_function");
    CHECK(recording.losses[1].count > 0);
}
