#include "tracer/plan.h"

#include <catch2/catch_test_macros.hpp>

#include "tracer/bpf/event.h"
#include "tracer/failure.h"
#include "tracer/function_table.h"
#include "tracer/plan_compute.h"
#include "tracer/policy.h"

using namespace skbtrail::tracer;

namespace {

Plan sample() {
    Plan plan;
    plan.collector = "c0ffee";
    plan.build_id = "005d44ff";
    plan.release = "6.12.95+deb12-cloud-amd64";
    plan.modules = {{"virtio_net", 114688}, {"failover", 12288}};
    plan.page_offset_base = -4096;
    plan.drop_reasons = {"NOT_DROPPED_YET", "", "NO_SOCKET"};
    plan.functions = {{"__napi_poll", 0, 33685, 0x1a1cd84, 4, role::root | role::poll, 0x1fff0f},
                      {"start_xmit", 1, 40265, 0x5000, 0, role::transmits, std::nullopt}};
    plan.unavailable = {{"gone", "takes an sk_buff, but ftrace does not offer it"}};
    plan.layout.size = 232;
    plan.layout.head = {1600, 64};
    plan.layout.cloned = {1008, 1};
    plan.no_bpf = "no\tFPROBE";
    plan.notes = {"a note with\ta tab"};
    return plan;
}

TraceableFunction traceable(std::uint32_t record, std::uint64_t site, const char* name,
                            const char* module = "") {
    return {record, site, name, module};
}

}  // namespace

TEST_CASE("a plan survives its file") {
    const auto plan = parse_plan(to_text(sample()));
    const auto before = sample();
    CHECK(plan.collector == before.collector);
    CHECK(plan.build_id == before.build_id);
    CHECK(plan.release == before.release);
    CHECK(plan.modules == before.modules);
    CHECK(plan.page_offset_base == -4096);
    CHECK(plan.drop_reasons == before.drop_reasons);
    REQUIRE(plan.functions.size() == 2);
    CHECK(plan.functions[0].name == "__napi_poll");
    CHECK(plan.functions[0].record == 33685);
    CHECK(plan.functions[0].site == 0x1a1cd84);
    CHECK(plan.functions[0].shift == 4);
    CHECK(plan.functions[0].roles == (role::root | role::poll));
    CHECK(plan.functions[0].cookie == 0x1fff0f);
    CHECK(plan.functions[1].module == 1);
    CHECK_FALSE(plan.functions[1].cookie);
    CHECK(plan.unavailable.at(0).function == "gone");
    CHECK(plan.notes.at(0) == "a note with a tab");
    CHECK(plan.layout == before.layout);
    CHECK(plan.no_bpf == "no FPROBE");
}

TEST_CASE("a file that is no plan is refused with a reason") {
    const auto text = to_text(sample());
    CHECK_THROWS_AS(parse_plan(""), Failure);
    CHECK_THROWS_AS(parse_plan("{}"), Failure);
    CHECK_THROWS_AS(parse_plan("skbtrail-plan 1\nend\n"), Failure);
    CHECK_THROWS_AS(parse_plan(text.substr(0, text.size() - 5)), Failure);  // cut short
    CHECK_THROWS_AS(parse_plan("skbtrail-plan 2\nwhat\t1\nend\n"), Failure);
    CHECK_THROWS_AS(parse_plan("skbtrail-plan 2\nf\t1\t0\nend\n"), Failure);
    CHECK_THROWS_AS(parse_plan("skbtrail-plan 2\nf\t1\t0\t0\t999\t0\t-\tx\nend\n"), Failure);
    CHECK_THROWS_AS(parse_plan("skbtrail-plan 2\nmember\tsk_buff\tbeef\t0\t8\nend\n"), Failure);
    CHECK_THROWS_AS(parse_plan("skbtrail-plan 2\nf\tone\t0\t0\t0\t0\t-\tx\nend\n"), Failure);
    CHECK_THROWS_AS(parse_plan("skbtrail-plan 2\nf\t1\t3\t0\t0\t0\t-\tx\nend\n"), Failure);
}

TEST_CASE("a plan is used for its kernel, its modules and its collector only") {
    const auto plan = sample();
    Circumstances now{plan.collector, plan.build_id, plan.modules};
    CHECK(why_unfit(plan, now).empty());
    SECTION("another kernel") {
        now.build_id = "beef";
    }
    SECTION("another collector") {
        now.collector = "beef";
    }
    SECTION("a module more") {
        now.modules.push_back({"xfs", 1});
    }
    SECTION("modules in another order") {
        std::swap(now.modules[0], now.modules[1]);
    }
    SECTION("a module of another size") {
        now.modules[0].size = 5;
    }
    if (now.collector != plan.collector || now.build_id != plan.build_id ||
        now.modules != plan.modules) {
        CHECK_FALSE(why_unfit(plan, now).empty());
    }
}

TEST_CASE("a plan's functions are placed where this boot has them") {
    const auto plan = sample();
    const auto table =
        place_functions(plan, 0xffffffff9a000000,
                        {{"virtio_net", 114688, 0xffffffffc0abc000}, {"failover", 12288, 1}});
    CHECK(table[0].site == 0xffffffff9ba1cd84);
    CHECK(table[0].symbol == 0xffffffff9ba1cd80);
    CHECK(table[0].probed);
    CHECK(table[1].site == 0xffffffffc0ac1000);
    CHECK(table[1].module == "virtio_net");
    CHECK_FALSE(table[1].probed);
    CHECK(table.at_site(0xffffffff9ba1cd84) == 0);
    CHECK(table.at_symbol(0xffffffff9ba1cd80) == 0);
    CHECK(table.at_site(1) == no_function);
}

TEST_CASE("net/'s text is found between its first function and the PCI code") {
    std::vector<TraceableFunction> functions{
        traceable(1, 0x100, "ip_local_deliver_before"),
        traceable(2, 0x200, "netdev_devres_match"),
        traceable(3, 0x300, "__napi_poll"),
        traceable(4, 0x400, "sock_def_readable"),
        traceable(5, 0x500, "ip_local_deliver"),
        traceable(6, 0x600, "tcp_v4_rcv"),
        traceable(7, 0x700, "dev_hard_start_xmit"),
        traceable(8, 0x800, "pcibios_align_resource"),
        traceable(9, 0x900, "klist_init"),
    };
    const auto range = find_net_text(functions);
    REQUIRE(range);
    CHECK(range->begin == 0x200);
    CHECK(range->end == 0x800);
    SECTION("not if a known function lies elsewhere") {
        functions[2].site = 0x50;
        CHECK_FALSE(find_net_text(functions));
    }
    SECTION("not without its first function") {
        functions[1].name = "another";
        CHECK_FALSE(find_net_text(functions));
    }
    SECTION("not without its end") {
        functions[7].name = "another";
        CHECK_FALSE(find_net_text(functions));
    }
}

TEST_CASE("a plan holds the network's functions, its helpers, and whoever takes an sk_buff") {
    const std::string symbols_text =
        "ffffffff81000000 T _stext\nffffffff81000100 T netdev_devres_match\n"
        "ffffffff81000200 T __napi_poll\nffffffff81000300 t sock_def_readable\n"
        "ffffffff81000400 T ip_local_deliver\nffffffff81000500 T tcp_v4_rcv\n"
        "ffffffff81000600 T dev_hard_start_xmit\nffffffff81000900 T security_sock_rcv_skb\n"
        "ffffffff81000a00 T elsewhere\nffffffff82000000 D page_offset_base\n"
        "ffffffffc0000010 t start_xmit\t[virtio_net]\nffffffffc0100010 t other\t[other]\n";
    const KernelSymbols symbols(symbols_text);
    KernelFacts facts;
    facts.symbols = &symbols;
    facts.text_start = 0xffffffff81000000;
    const std::uint64_t base = facts.text_start;
    facts.functions = {
        traceable(1, base + 0x104, "netdev_devres_match"),
        traceable(2, base + 0x204, "__napi_poll"),
        traceable(3, base + 0x300, "sock_def_readable"),
        traceable(4, base + 0x404, "ip_local_deliver"),
        traceable(5, base + 0x504, "tcp_v4_rcv"),
        traceable(6, base + 0x604, "dev_hard_start_xmit"),
        traceable(7, base + 0x650, "__traceiter_consume_skb"),
        traceable(8, base + 0x660, "net_rx_action"),
        traceable(9, base + 0x700, "pcibios_align_resource"),
        traceable(10, base + 0x800, "virtqueue_add_outbuf"),
        traceable(11, base + 0x904, "security_sock_rcv_skb"),
        traceable(12, base + 0xa04, "elsewhere"),
        traceable(13, base + 0xb04, "vanished"),
        traceable(14, 0xffffffffc0000010, "start_xmit", "virtio_net"),
        traceable(15, 0xffffffffc0000110, "virtnet_probe", "virtio_net"),
        traceable(16, 0xffffffffc0100010, "other", "other"),
        traceable(17, 0xffffffffc0200010, "nameless", "nobtf"),
    };
    facts.modules = {{"virtio_net", 1, 0xffffffffc0000000},
                     {"other", 1, 0xffffffffc0100000},
                     {"nobtf", 1, 0xffffffffc0200000}};
    const Signature takes_skb{{Parameter::skb}, false};
    facts.kernel_signatures = {
        {"ip_local_deliver", takes_skb},
        {"tcp_v4_rcv", takes_skb},
        {"dev_hard_start_xmit", takes_skb},
        {"security_sock_rcv_skb", {{Parameter::other, Parameter::skb}, false}},
        {"vanished", takes_skb},
        {"inlined", takes_skb}};
    facts.module_signatures["virtio_net"] = {
        {"start_xmit", {{Parameter::skb, Parameter::device}, true}}};
    facts.module_signatures["other"] = {};
    const auto plan = make_plan(facts);

    std::vector<std::string> names;
    for (const auto& function : plan.functions) names.push_back(function.name);
    CHECK(names == std::vector<std::string>{"netdev_devres_match", "__napi_poll",
                                            "sock_def_readable", "ip_local_deliver", "tcp_v4_rcv",
                                            "dev_hard_start_xmit", "virtqueue_add_outbuf",
                                            "security_sock_rcv_skb", "vanished", "start_xmit",
                                            "virtnet_probe"});
    CHECK(plan.functions[1].site == 0x204);
    CHECK(plan.functions[1].shift == 4);
    CHECK((plan.functions[1].cookie.value_or(0) & SKBTRAIL_COOKIE_CONTEXT) != 0);
    CHECK_FALSE(plan.functions[2].cookie);
    CHECK(plan.functions[3].cookie);
    CHECK(plan.functions[9].module == 1);
    CHECK(plan.functions[9].site == 0x10);
    CHECK(plan.functions[9].roles == role::transmits);
    CHECK(plan.page_offset_base == 0x1000000);
    // Its start is not among the symbols: in the tree, but not probed, and said.
    CHECK_FALSE(plan.functions[8].cookie);
    std::vector<std::string> missing;
    for (const auto& entry : plan.unavailable) missing.push_back(entry.function);
    CHECK(missing == std::vector<std::string>{"inlined", "vanished"});
    REQUIRE(plan.notes.size() == 1);
    CHECK(plan.notes[0].find("nobtf") != std::string::npos);
}
