#include "tracer/assemble.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tracer/fixture.h"
#include "tracer/files.h"
#include "tracer/ftrace/format.h"

using namespace skbtrail;
using namespace skbtrail::tracer;
using test::drop_reasons;
using test::sight;
using test::Story;

namespace {

std::uint64_t sum_of(const std::vector<chain::Loss>& losses) {
    return std::accumulate(losses.begin(), losses.end(), std::uint64_t{0},
                           [](auto sum, const auto& loss) { return sum + loss.count; });
}

std::uint64_t count_of(const std::vector<chain::Loss>& losses, const std::string& kind) {
    std::uint64_t sum = 0;
    bool found = false;
    for (const auto& loss : losses) {
        if (loss.kind != kind) continue;
        sum += loss.count;
        found = true;
    }
    CHECK(found);  // a counter is listed, also when it is 0
    return sum;
}

const chain::Call* find(const chain::Call& call, const std::string& function) {
    if (call.function == function) return &call;
    for (const auto& child : call.calls) {
        if (const auto* found = find(child, function)) return found;
    }
    return nullptr;
}

/// The functions from the root to `function`.
std::vector<std::string> way_to(const chain::Call& call, const std::string& function) {
    if (call.function == function) return {function};
    for (const auto& child : call.calls) {
        auto way = way_to(child, function);
        if (way.empty()) continue;
        way.insert(way.begin(), call.function);
        return way;
    }
    return {};
}

const chain::Packet& packet_of_type(const Assembled& result, const std::string& type) {
    const auto found = std::find_if(result.packets.begin(), result.packets.end(),
                                    [&type](const chain::Packet& packet) {
                                        const auto it = packet.headers.find("icmp.type");
                                        return it != packet.headers.end() && it->second == type;
                                    });
    REQUIRE(found != result.packets.end());
    return *found;
}

}  // namespace

TEST_CASE("a recorded ping: nothing lost, two messages and the address resolution before them") {
    const auto recorded = test::load_recorded(test::ping_of_any_kernel());
    const auto result = assemble(recorded.capture, recorded.functions, {}, drop_reasons, {});
    CHECK(sum_of(result.losses) == 0);

    const auto& request = packet_of_type(result, "echo-request");
    CHECK(request.fate.kind == "transmitted");
    CHECK(request.fate.function == "start_xmit");
    CHECK(request.headers.at("ip.destination") == "10.0.2.2");
    CHECK(request.headers.at("icmp.sequence") == "0");
    const auto& reply = packet_of_type(result, "echo-reply");
    CHECK(reply.fate.kind == "delivered");
    CHECK(reply.fate.function == "__sock_queue_rcv_skb");
    CHECK(reply.headers.at("icmp.id") == request.headers.at("icmp.id"));
    CHECK(std::count_if(result.packets.begin(), result.packets.end(), [](const auto& packet) {
              return packet.headers.contains("arp.operation");
          }) == 2);
}

TEST_CASE("a recorded ping: the reply's way from the poll to the socket") {
    const auto name = test::ping_of_any_kernel();
    const auto recorded = test::load_recorded(name);
    const auto result = assemble(recorded.capture, recorded.functions, {}, drop_reasons, {});
    const auto& reply = packet_of_type(result, "echo-reply");
    const chain::Chain* chain = nullptr;
    for (const auto& one : result.chains) {
        if (one.root.function != "__napi_poll" || find(one.root, "raw_rcv") == nullptr) continue;
        CHECK(chain == nullptr);
        chain = &one;
    }
    REQUIRE(chain != nullptr);
    CHECK(chain->context == chain::Context::softirq);
    // Two of these builds have inlined ip_sublist_rcv_finish.
    auto way = way_to(chain->root, "sock_def_readable");
    std::erase(way, "ip_sublist_rcv_finish");
    CHECK(way == std::vector<std::string>{
                     "__napi_poll", "virtnet_poll", "napi_complete_done",
                     "netif_receive_skb_list_internal", "__netif_receive_skb_list_core",
                     "ip_list_rcv", "ip_sublist_rcv", "ip_local_deliver", "ip_local_deliver_finish",
                     "ip_protocol_deliver_rcu", "raw_local_deliver", "raw_rcv",
                     "sock_queue_rcv_skb_reason", "__sock_queue_rcv_skb", "sock_def_readable"});
    CHECK(find(chain->root, "virtnet_poll")->module == "virtio_net");

    // Every sighting on that way is the reply, and data moves as the headers are taken off.
    const auto* core = find(chain->root, "ip_rcv_core");
    REQUIRE(core != nullptr);
    REQUIRE(core->skbs.size() == 1);
    CHECK(core->skbs[0].packet == reply.id);
    CHECK(core->skbs[0].data == 78);
    CHECK(core->skbs[0].network_header == 78);
    CHECK(core->skbs[0].protocol == 0x0800);
    const auto* icmp = find(chain->root, "icmp_rcv");
    REQUIRE(icmp != nullptr);
    CHECK(icmp->skbs.at(0).data == 98);
    CHECK(icmp->skbs.at(0).len == 64);
    const auto* raw = find(chain->root, "raw_rcv");
    CHECK(raw->skbs.at(0).packet == reply.id);
    CHECK(raw->skbs.at(0).address != core->skbs[0].address);  // the clone
    CHECK(raw->skbs.at(0).cloned);
    // At its birth nothing but its head is known. The newest build has inlined that.
    const auto* build = find(chain->root, "__build_skb_around");
    CHECK((build == nullptr) == (name == "ping-7.3"));
    if (build == nullptr) return;
    CHECK(build->skbs.at(0).packet == reply.id);
    CHECK(build->skbs.at(0).end == 0);
}

TEST_CASE("a recorded ping: durations nest, and children follow each other") {
    const auto recorded = test::load_recorded(test::ping_of_any_kernel());
    const auto result = assemble(recorded.capture, recorded.functions, {}, drop_reasons, {});
    std::size_t calls = 0;
    const std::function<void(const chain::Call&)> check = [&](const chain::Call& call) {
        ++calls;
        REQUIRE(call.duration.has_value());
        CHECK(call.incomplete.empty());
        auto at = call.start;
        for (const auto& child : call.calls) {
            CHECK(child.start >= at);
            at = child.start + child.duration.value_or(0);
            check(child);
        }
        CHECK(at <= call.start + *call.duration);
    };
    for (const auto& chain : result.chains) check(chain.root);
    CHECK(calls > 300);
}

TEST_CASE("a chain that ran inside another one says where") {
    std::size_t nested = 0;
    for (const auto* name : test::recorded_pings) {
        const auto recorded = test::load_recorded(name);
        const auto result = assemble(recorded.capture, recorded.functions, {}, drop_reasons, {});
        for (const auto& chain : result.chains) {
            if (!chain.nested_in) continue;
            ++nested;
            CHECK(chain.context != chain::Context::task);
            const auto outer = std::find_if(
                result.chains.begin(), result.chains.end(),
                [&chain](const auto& other) { return other.id == chain.nested_in->chain; });
            REQUIRE(outer != result.chains.end());
            CHECK(outer->pid == chain.pid);
            CHECK(find(outer->root, chain.nested_in->function) != nullptr);
            CHECK(chain.root.start >= outer->root.start);
        }
    }
    CHECK(nested >= 2);
}

TEST_CASE("a tree that lost its packet is a chain all the same") {
    const auto table = test::make_table({"start_xmit"}, {"net_tx_action", "timer"});
    Story story(table);
    story.enter("timer").leave("timer");
    story.enter("net_tx_action").enter("start_xmit").leave("start_xmit").leave("net_tx_action");
    const auto result = assemble(story.capture, table, {}, drop_reasons, {});
    REQUIRE(result.chains.size() == 1);
    CHECK(result.chains[0].root.function == "net_tx_action");
    CHECK(count_of(result.losses, "call_without_event") == 1);
}

TEST_CASE("trees that carry nothing and begin at no root are left out") {
    const auto table = test::make_table({"ip_rcv_core", "__x64_sys_sendto"}, {"timer", "kick"});
    Story story(table);
    story.enter("timer").enter("kick").leave("kick").leave("timer");
    story.enter("timer").leaf("ip_rcv_core", sight(0x100, 0x10000)).leave("timer");
    story.enter("kick").leave("kick");
    story.leaf("__x64_sys_sendto");
    const auto result = assemble(story.capture, table, {}, drop_reasons, {{100, "ping"}});
    REQUIRE(result.chains.size() == 2);
    CHECK(result.chains[0].root.function == "timer");
    CHECK(result.chains[0].comm == "ping");
    CHECK(result.chains[0].pid == 100);
    CHECK(result.chains[1].root.function == "__x64_sys_sendto");
    CHECK(result.chains[0].id == 1);
    CHECK(result.chains[1].id == 2);
}

TEST_CASE("what a device's interrupt did is a chain if it is asked for") {
    const auto table = test::make_table({}, {"vring_interrupt", "__napi_schedule", "timer"});
    Story story(table);
    story.enter("timer").context(flag_hardirq);
    story.enter("vring_interrupt").leaf("__napi_schedule").leave("vring_interrupt");
    story.context(0).leave("timer");
    story.context(flag_hardirq).enter("vring_interrupt").leave("vring_interrupt");
    const auto chains_of = [&](bool interrupts) {
        Selection selection;
        selection.interrupts = interrupts;
        return assemble(story.capture, table, {}, drop_reasons, {}, selection).chains;
    };
    CHECK(chains_of(false).empty());
    const auto chains = chains_of(true);
    REQUIRE(chains.size() == 2);  // what was interrupted carries nothing, and is none
    for (const auto& chain : chains) {
        CHECK(chain.root.function == "vring_interrupt");
        CHECK(chain.context == chain::Context::hardirq);
        CHECK_FALSE(chain.nested_in);
    }
    REQUIRE(chains[0].root.calls.size() == 1);
    CHECK(chains[0].root.calls[0].function == "__napi_schedule");
    CHECK(chains[1].root.calls.empty());
}

TEST_CASE("a thread's name comes from the events of roots, also when it has ended") {
    const auto table = test::make_table({"__x64_sys_sendto"});
    Story story(table);
    story.enter("__x64_sys_sendto");
    skbtrail_long_event event{};
    event.event.function = test::symbol_of(table, "__x64_sys_sendto");
    event.event.time = story.now() + 1;
    event.event.tid = 100;
    event.event.flags = SKBTRAIL_EVENT_CONTEXT;
    event.event.bytes_used = 16;
    std::copy_n("busybox", 8, event.bytes);
    story.capture.add_event(std::as_bytes(std::span(&event, 1)));
    story.capture.decode_events();
    story.leave("__x64_sys_sendto");
    const auto result = assemble(story.capture, table, {}, drop_reasons, {});
    REQUIRE(result.chains.size() == 1);
    CHECK(result.chains[0].comm == "busybox");
    CHECK(sum_of(result.losses) == 0);
}

TEST_CASE("of an sk_buff that is given back the buffer's end is told no more") {
    const auto table = test::make_table({"__x64_sys_recvfrom", "ip_rcv_core", "skb_release_data",
                                         "kfree_skbmem", "napi_skb_cache_put"});
    auto shared = sight(0x100, 0x10000);
    shared.flags |= SKBTRAIL_EVENT_SHARED;
    shared.frags = 2;
    shared.gso_size = 1448;
    // Who has the memory now has written there.
    auto reused = shared;
    reused.frags = 121;
    reused.gso_size = 42871;
    Story story(table);
    story.call("__x64_sys_recvfrom").leaf("ip_rcv_core", shared);
    story.leaf("skb_release_data", shared).leaf("kfree_skbmem", reused);
    story.leaf("napi_skb_cache_put", reused).leave("__x64_sys_recvfrom");
    const auto result = assemble(story.capture, table, {}, drop_reasons, {});
    REQUIRE(result.chains.size() == 1);
    for (const char* function : {"ip_rcv_core", "skb_release_data"}) {
        INFO(function);
        const auto* call = find(result.chains[0].root, function);
        REQUIRE(call != nullptr);
        REQUIRE(call->skbs.size() == 1);
        CHECK(call->skbs[0].frags == 2U);
        CHECK(call->skbs[0].gso_size == 1448);
    }
    for (const char* function : {"kfree_skbmem", "napi_skb_cache_put"}) {
        INFO(function);
        const auto* call = find(result.chains[0].root, function);
        REQUIRE(call != nullptr);
        REQUIRE(call->skbs.size() == 1);
        CHECK(call->skbs[0].len == shared.len);
        CHECK_FALSE(call->skbs[0].frags);
        CHECK(call->skbs[0].gso_size == 0);
    }
}

TEST_CASE("a call on another CPU than its chain says so") {
    const auto table = test::make_table({"__x64_sys_recvfrom", "ip_rcv_core"});
    Story story(table);
    story.call("__x64_sys_recvfrom").on_cpu(1).leaf("ip_rcv_core", sight(0x100, 0x10000));
    story.leave("__x64_sys_recvfrom");
    const auto result = assemble(story.capture, table, {}, drop_reasons, {});
    REQUIRE(result.chains.size() == 1);
    CHECK(result.chains[0].cpu == 0);
    CHECK_FALSE(result.chains[0].root.cpu);
    CHECK(result.chains[0].root.calls.at(0).cpu == 1);
}

TEST_CASE("what is lost is counted under its name, and marked where it may be missing") {
    const auto table = test::make_table({"__x64_sys_sendto", "ip_rcv_core"});
    Story story(table);
    story.call("__x64_sys_sendto").lose().enter("ip_rcv_core").leave("ip_rcv_core");
    story.leave("__x64_sys_sendto").event("ip_rcv_core", sight(0x100, 0x10000));
    const auto result = assemble(story.capture, table, {}, drop_reasons, {});
    CHECK(count_of(result.losses, "call_without_event") == 1);
    CHECK(count_of(result.losses, "event_without_call") == 1);
    CHECK(count_of(result.losses, "too_deep") == 0);
    REQUIRE(result.chains.size() == 1);
    CHECK(result.chains[0].root.incomplete == "its CPU's trace buffer overran while it ran");
}

TEST_CASE("what has no event is counted by function, and once") {
    const auto table = test::make_table({"ip_rcv_core", "icmp_rcv"}, {"__napi_poll"});
    Story story(table);
    story.enter("__napi_poll").call("ip_rcv_core").call("ip_rcv_core").call("icmp_rcv");
    story.leave("icmp_rcv").leave("ip_rcv_core").leave("ip_rcv_core").leave("__napi_poll");
    const auto count_at = [&](const std::string& kind, const std::string& function) {
        const auto losses = assemble(story.capture, table, {}, drop_reasons, {}).losses;
        const auto loss = std::find_if(losses.begin(), losses.end(), [&](const auto& one) {
            return one.kind == kind && one.function == function;
        });
        return loss == losses.end() ? 0 : loss->count;
    };
    CHECK(count_at("call_without_event", "") == 0);
    story.capture.cpus()[0].events.clear();
    CHECK(count_at("call_without_event", "ip_rcv_core") == 2);
    CHECK(count_at("call_without_event", "icmp_rcv") == 1);

    // Of one it is known why: three events were refused, two of them of a call that kept others.
    story.capture.add_counts(
        0, {.filtered = 0,
            .lists_truncated = 0,
            .refused = {{test::symbol_of(table, "ip_rcv_core"), {.events = 3, .calls = 1}}}});
    CHECK(count_at("call_without_event", "ip_rcv_core") == 1);
    CHECK(count_at("bpf_reserve_failed", "ip_rcv_core") == 3);
    CHECK(count_at("call_without_event", "icmp_rcv") == 1);

    // With a filter it is not known of which functions calls were left out.
    story.capture.add_counts(0, {.filtered = 1, .lists_truncated = 0, .refused = {}});
    CHECK(count_at("call_without_event", "") == 1);
    CHECK(count_at("call_without_event", "icmp_rcv") == 0);
}

TEST_CASE("beyond the memory limit a call is missing if none of its events was kept") {
    const auto table = test::make_table({"ip_list_rcv"});
    Capture capture(2 * 2 * sizeof(skbtrail_event));  // room for two, and for pages
    skbtrail_event event{};
    event.function = test::symbol_of(table, "ip_list_rcv");
    for (const auto sequence : {7U, 8U, 8U, 9U, 9U, 10U}) {
        event.sequence = sequence;
        capture.add_event(std::as_bytes(std::span(&event, 1)));
    }
    capture.decode_events();
    CHECK(capture.cpus().at(0).events.size() == 2);
    const auto& gone = capture.cpus().at(0).events_over_limit.at(event.function);
    CHECK(gone.events == 4);
    CHECK(gone.calls == 2);  // of call 8 one event is there
    CHECK(count_of(assemble(capture, table, {}, drop_reasons, {}).losses, "memory_limit_events") ==
          4);
}

TEST_CASE("beyond the memory limit records are counted, not kept, and open calls are marked") {
    const auto name = test::ping_of_any_kernel();
    const auto recorded = test::load_recorded(name);
    std::size_t all = 0;
    for (const auto& [cpu, one] : recorded.capture.cpus()) all += one.records.size();

    const auto [functions, capture] = test::load_recorded(name, 1);
    std::size_t kept = 0;
    for (const auto& [cpu, one] : capture.cpus()) kept += one.records.size();
    const auto result = assemble(capture, functions, {}, drop_reasons, {});
    CHECK(kept > 0);
    CHECK(kept < all);
    // Kprobe events are in the pages, too.
    const auto lost = count_of(result.losses, "memory_limit_records");
    CHECK((name == "ping-6.1" ? lost > all - kept : lost == all - kept));
}

TEST_CASE("events that are too short are counted, not read") {
    Capture capture(1U << 20U);
    skbtrail_long_event event{};
    event.event.bytes_used = SKBTRAIL_SNAP;
    const auto bytes = std::as_bytes(std::span(&event, 1));
    capture.add_event(bytes);
    CHECK(capture.malformed_events() == 0);
    capture.add_event(bytes.first(10));
    capture.add_event(bytes.first(sizeof(skbtrail_event)));  // without its bytes
    event.event.bytes_used = SKBTRAIL_SNAP + 1;
    capture.add_event(bytes);
    CHECK(capture.malformed_events() == 3);
    const auto table = test::make_table({});
    CHECK(count_of(assemble(capture, table, {}, {}, {}).losses, "event_malformed") == 3);
}
