// Comparing recordings: what is the same is said to be, and one change is found as that change, at
// its place, and nothing else is.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "labs/check/verdict.h"
#include "labs/diff/compare.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/schema_check.h"
#include "tracer/chain/format_error.h"

using namespace skbtrail;
using labs::diff::Change;
using labs::diff::Comparison;
using labs::diff::Likeness;
using test::call;
using test::CallBuilder;

namespace {

const std::map<std::string, std::string> request = {{"icmp.type", "echo-request"},
                                                    {"icmp.id", "4"}};
const std::map<std::string, std::string> reply = {{"icmp.type", "echo-reply"}, {"icmp.id", "4"}};

/// A packet that goes out, and two that come in with one poll.
test::RecordingBuilder journey() {
    test::RecordingBuilder builder;
    builder.packet(1, request, "out").packet(2, reply, "in").packet(3, reply, "in again");
    builder.traceable("added_by_test").traceable("virtqueue_kick");
    builder.chain(
        call("__x64_sys_sendto",
             {call("raw_sendmsg",
                   {call("ip_append_data", {call("sock_alloc_send_pskb"), call("skb_put").skb(1)}),
                    call("ip_output", {call("nf_hook_slow").skb(1),
                                       call("__dev_queue_xmit",
                                            {call("validate_xmit_skb").skb(1),
                                             call("start_xmit", {call("skb_to_sgvec").skb(1),
                                                                 call("virtqueue_add_outbuf")})
                                                 .skb(1)})
                                           .skb(1)})
                        .skb(1)})
                  .skb(1)}),
        0, chain::Context::task);
    builder.chain(call(
        "__napi_poll",
        {call("virtnet_poll",
              {call("receive_buf", {call("eth_type_trans").skb(2), call("napi_gro").skb(2)}),
               call("receive_buf", {call("eth_type_trans").skb(3), call("napi_gro").skb(3)}),
               call("ip_list_rcv",
                    {call("ip_rcv_core").skb(2), call("ip_rcv_core").skb(3),
                     call("ip_sublist_rcv",
                          {call("route_lookup"), call("ip_local").skb(2), call("raw_rcv").skb(2),
                           call("raw_rcv").skb(3), call("icmp_rcv").skb(3)})})})}));
    return builder;
}

/// The packets that a call and those below it are given.
std::set<chain::PacketId> packets_of(const chain::Call& call) {
    std::set<chain::PacketId> packets;
    for (const auto& skb : call.skbs) packets.insert(*skb.packet);
    for (const auto& below : call.calls) packets.merge(packets_of(below));
    return packets;
}

/// Takes the calls that are given `packet` out of the tree; whether the call itself is one.
bool take_out(chain::Call& call, chain::PacketId packet) {
    std::erase_if(call.calls, [&](chain::Call& below) { return take_out(below, packet); });
    std::erase_if(call.calls, [](const chain::Call& below) {
        return below.function == "receive_buf" && below.calls.empty();
    });
    return !call.skbs.empty() && *call.skbs[0].packet == packet;
}

Comparison compare(const chain::Recording& a, const chain::Recording& b,
                   const labs::diff::CompareOptions& options = {}) {
    return labs::diff::compare(a, "a", b, "b", options);
}

/// Every list of calls of the recording that is below the second call of a chain.
void each_list(chain::Call& call, std::size_t depth,
               const std::function<void(std::vector<chain::Call>&)>& visit) {
    if (depth >= 1 && !call.calls.empty()) visit(call.calls);
    for (chain::Call& below : call.calls) each_list(below, depth + 1, visit);
}

std::size_t count_lists(chain::Recording recording) {
    std::size_t lists = 0;
    for (auto& chain : recording.chains) {
        each_list(chain.root, 0, [&](auto&) { ++lists; });
    }
    return lists;
}

/// The `index`th of those lists.
std::vector<chain::Call>& list(chain::Recording& recording, std::size_t index) {
    std::vector<chain::Call>* found = nullptr;
    for (auto& chain : recording.chains) {
        each_list(chain.root, 0, [&](std::vector<chain::Call>& calls) {
            if (index-- == 0) found = &calls;
        });
    }
    REQUIRE(found != nullptr);
    return *found;
}

/// Changes each call of the journey, one at a time: `change` returns what has to be found, or
/// nothing where it cannot change that call.
using Expected = std::optional<std::pair<Change, std::string>>;
std::size_t change_each(
    const std::function<Expected(std::vector<chain::Call>&, std::size_t)>& change) {
    const auto before = journey().build();
    std::size_t tried = 0;
    for (std::size_t which = 0; which < count_lists(before); ++which) {
        auto probe = before;
        for (std::size_t place = 0; place < list(probe, which).size(); ++place) {
            auto after = before;
            const auto expected = change(list(after, which), place);
            if (!expected) continue;
            ++tried;
            const auto comparison = compare(before, after);
            INFO(to_json(comparison));
            REQUIRE(comparison.likeness == Likeness::different);
            REQUIRE(comparison.differences.size() == 1);
            REQUIRE(comparison.differences[0].change == expected->first);
            REQUIRE(comparison.differences[0].function == expected->second);
            REQUIRE(comparison.differences[0].times == 1);
        }
    }
    return tried;
}

}  // namespace

TEST_CASE("A recording is equal to itself") {
    const auto recording = journey().build();
    const auto comparison = compare(recording, recording);
    CHECK(comparison.likeness == Likeness::equal);
    CHECK(comparison.differences.empty());
    CHECK(comparison.pairs.size() == 3);
}

TEST_CASE("A call that is removed is gone, and nothing else") {
    CHECK(change_each([](auto& calls, std::size_t place) -> Expected {
              const auto function = calls[place].function;
              calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(place));
              return {{Change::gone, function}};
          }) > 15);
}

TEST_CASE("A call that is added is added, and nothing else") {
    CHECK(change_each([](auto& calls, std::size_t place) -> Expected {
              chain::Call extra;
              extra.function = "added_by_test";
              calls.insert(calls.begin() + static_cast<std::ptrdiff_t>(place), extra);
              return {{Change::added, "added_by_test"}};
          }) > 15);
}

TEST_CASE("A call that goes by another name is renamed, and nothing else") {
    CHECK(change_each([](auto& calls, std::size_t place) -> Expected {
              const auto function = calls[place].function;
              calls[place].function = "renamed_by_test";
              return {{Change::renamed, function}};
          }) > 15);
}

TEST_CASE("A call with another caller is moved, and nothing else") {
    CHECK(change_each([](auto& calls, std::size_t place) -> Expected {
              // Below its neighbour, if that is no other packet's.
              if (place == 0 || calls[place - 1].function == calls[place].function) return {};
              const auto its = packets_of(calls[place]);
              const auto there = packets_of(calls[place - 1]);
              if (!std::includes(there.begin(), there.end(), its.begin(), its.end())) return {};
              const auto moved = calls[place];
              calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(place));
              calls[place - 1].calls.push_back(moved);
              return {{Change::moved, moved.function}};
          }) >= 7);
}

TEST_CASE("Neighbours that change places are a move, and nothing else") {
    CHECK(change_each([](auto& calls, std::size_t place) -> Expected {
              const auto packet = [](const chain::Call& call) {
                  return call.skbs.empty() ? 0 : *call.skbs[0].packet;
              };
              // Calls of different packets have no order.
              if (place == 0 || calls[place - 1].function == calls[place].function ||
                  packet(calls[place - 1]) != packet(calls[place])) {
                  return {};
              }
              // Which of the two has moved is a matter of taste: the one that is found is the one
              // with less below it, or the first of two alike.
              std::swap(calls[place - 1], calls[place]);
              const auto& first = calls[place - 1];
              const auto& second = calls[place];
              return {{Change::moved, first.calls.size() < second.calls.size() ? first.function
                                                                               : second.function}};
          }) >= 4);
}

TEST_CASE("What varies from boot to boot is no difference") {
    const auto before = journey().build();
    auto builder = journey();
    auto after = builder.build();
    SECTION("CPU, context, thread, order of chains, times") {
        for (auto& chain : after.chains) {
            chain.cpu = 3;
            chain.pid = 77;
            chain.root.start += 5'000'000;
        }
        after.chains[1].context = chain::Context::task;
        after.chains[1].nested_in = chain::NestedIn{1, "__local_bh_enable_ip"};
        std::swap(after.chains[0], after.chains[1]);
    }
    SECTION("a poll for each packet instead of one for both") {
        auto& poll = after.chains[1];
        auto other = poll;
        other.id = 9;
        take_out(poll.root, 3);
        take_out(other.root, 2);
        after.chains.push_back(other);
    }
    SECTION("locks, memory and timers") {
        chain::Call noise;
        noise.function = "_raw_spin_lock";
        noise.calls.resize(1);
        noise.calls[0].function = "queued_spin_lock_slowpath";
        after.chains[0].root.calls[0].calls.insert(after.chains[0].root.calls[0].calls.begin(),
                                                   noise);
    }
    SECTION("identifiers") {
        for (auto& packet : after.packets) packet.headers["icmp.id"] = "99";
    }
    const auto comparison = compare(before, after);
    INFO(to_json(comparison));
    CHECK(comparison.likeness == Likeness::equal);
    CHECK(comparison.differences.empty());
}

TEST_CASE(
    "Packets that carry something else correspond in their order, if nothing carries the same") {
    const auto stream = [](const std::vector<std::string>& contents) {
        test::RecordingBuilder builder;
        chain::PacketId id = 0;
        for (const auto& content : contents) {
            builder.packet(++id, {{"udp.destination", "5201"}, {"payload", content}});
            // Each has a path of its own, so that a wrong pair is a difference.
            builder.chain(call("sock_write_iter", {call("sent_" + content.substr(0, 3)).skb(id)}));
        }
        return builder.build();
    };
    const auto before = stream({"one 10:00", "two 10:01", "end"});
    SECTION("programs write what time it is") {
        const auto after = stream({"one 11:30", "two 11:31", "end"});
        const auto comparison = compare(before, after);
        INFO(to_json(comparison));
        CHECK(comparison.likeness == Likeness::equal);
        REQUIRE(comparison.explained.size() == 1);
        CHECK(comparison.explained[0].rule == "what a packet carries");
        CHECK(comparison.explained[0].times == 2);
        labs::diff::CompareOptions strict;
        strict.use_rules = false;
        CHECK(compare(before, after, strict).differences.size() >= 2);
    }
    SECTION("one that carries nothing is no other's like") {
        auto after = before;
        after.packets[0].headers.erase("payload");
        const auto comparison = compare(before, after);
        INFO(to_json(comparison));
        REQUIRE(comparison.differences.size() == 2);
        CHECK(comparison.differences[0].change == Change::packet_gone);
        CHECK(comparison.differences[1].change == Change::packet_added);
        CHECK(comparison.explained.empty());
    }
    SECTION("the first is missing: the others are who they are") {
        const auto comparison = compare(before, stream({"two 10:01", "end"}));
        INFO(to_json(comparison));
        REQUIRE(comparison.differences.size() == 1);
        CHECK(comparison.differences[0].change == Change::packet_gone);
        CHECK(comparison.pairs[0].a == 1);
        CHECK_FALSE(comparison.pairs[0].b.has_value());
    }
}

TEST_CASE("A rule explains by name, and not when it is told not to") {
    const auto transmission = [](bool in_xmit) {
        test::RecordingBuilder builder;
        builder.packet(1, request);
        auto done = call("free_old_xmit", {call("napi_consume_skb").skb(1)});
        if (in_xmit) {
            builder.chain(
                call("__x64_sys_sendto", {call("start_xmit", {call("skb_to_sgvec").skb(1)}).skb(1),
                                          call("start_xmit", {done})}));
        } else {
            builder.chain(call(
                "__x64_sys_sendto",
                {call("start_xmit", {call("skb_to_sgvec").skb(1)}).skb(1), call("start_xmit")}));
            builder.chain(call("__napi_poll", {call("virtnet_poll_tx", {done})}));
        }
        return builder.traceable("__napi_poll").traceable("virtnet_poll_tx").build();
    };
    const auto a = transmission(true);
    const auto b = transmission(false);
    CHECK(compare(a, b).likeness == Likeness::equal);
    labs::diff::CompareOptions strict;
    strict.use_rules = false;
    CHECK(compare(a, b, strict).likeness == Likeness::different);
}

TEST_CASE(
    "What varies by the clock or the route cache is explained, elsewhere it is a difference") {
    const auto end = [](const char* caller, bool with, const char* function) {
        test::RecordingBuilder builder;
        builder.packet(1, request).traceable(function);
        builder.chain(
            call("root", {with ? call(caller, {call(function)}).skb(1) : call(caller).skb(1)}));
        return builder.build();
    };
    struct Case {
        const char* caller;
        const char* function;
        Likeness likeness;
    };
    for (const auto& [caller, function, likeness] :
         {Case{"skb_release_head_state", "dst_release", Likeness::equal},
          Case{"skb_release_head_state", "nf_conntrack_destroy", Likeness::different},
          Case{"tcp_write_xmit", "tcp_init_cwnd", Likeness::equal},
          Case{"tcp_ack", "tcp_init_cwnd", Likeness::different},
          Case{"tcp_skb_entail", "tcp_cwnd_restart", Likeness::equal},
          Case{"neigh_lookup", "ndisc_key_eq", Likeness::equal},
          Case{"ndisc_recv_ns", "ndisc_key_eq", Likeness::different},
          Case{"sock_wfree", "__sk_free", Likeness::equal},
          Case{"tcp_rcv_established", "__sk_free", Likeness::different}}) {
        CAPTURE(caller, function);
        CHECK(compare(end(caller, true, function), end(caller, false, function)).likeness ==
              likeness);
    }
}

TEST_CASE("A packet freed in bulk took the same way as one freed at once") {
    const auto freed = [](bool in_poll, const char* by) {
        auto head = call("skb_release_head_state").skb(1);
        auto data = call("skb_release_data").skb(1);
        test::RecordingBuilder builder;
        builder.packet(1, request);
        // Both kernels could show all of them.
        for (const auto* function :
             {"napi_skb_cache_put", "kfree_skbmem", "dev_kfree_skb_any_reason", "nf_queue"}) {
            builder.traceable(function);
        }
        std::vector<test::CallBuilder> below;
        if (in_poll) {
            below = {head, data, call("napi_skb_cache_put").skb(1)};
        } else {
            below = {call(by, {head, data, call("kfree_skbmem").skb(1)}).skb(1)};
        }
        builder.chain(call("free_old_xmit", {call("napi_consume_skb", std::move(below)).skb(1)}));
        return builder.build();
    };
    const auto in_bulk = freed(true, "dev_kfree_skb_any_reason");
    const auto comparison = compare(in_bulk, freed(false, "dev_kfree_skb_any_reason"));
    INFO(to_json(comparison));
    CHECK(comparison.likeness == Likeness::equal);
    CHECK(compare(in_bulk, freed(false, "nf_queue")).likeness == Likeness::different);
}

TEST_CASE("Chains that handle no packet, and have no name, are counted and not compared") {
    const auto with = [](std::size_t sockets) {
        test::RecordingBuilder builder;
        builder.packet(1, request).traceable("__x64_sys_socket");
        builder.chain(call("__x64_sys_sendto", {call("ip_output").skb(1)}));
        for (std::size_t i = 0; i < sockets; ++i) {
            builder.chain(call("__x64_sys_socket", {call("inet_create")}));
        }
        return builder.build();
    };
    const auto comparison = compare(with(1), with(3));
    CHECK(comparison.likeness == Likeness::equal);
    CHECK(comparison.a.without_packet == 1);
    CHECK(comparison.b.without_packet == 3);
    CHECK(compare(journey().build(), journey().build()).a.without_packet == 0);
}

TEST_CASE("Chains that handle no packet are compared with their namesakes") {
    const auto opened = [](std::vector<CallBuilder> below) {
        test::RecordingBuilder builder;
        builder.packet(1, request).traceable("dev_set_mtu").traceable("added_by_test");
        builder.chain(call("__x64_sys_read", {call("vfs_read")}));  // no name: not compared
        builder.chain(call("__x64_sys_sendmsg", std::move(below)));
        builder.chain(call("__napi_poll", {call("ip_rcv_core").skb(1)}));
        return builder.build();
    };
    const auto before = opened({call("dev_set_mtu", {call("notifier_call_chain")})});
    const auto after =
        opened({call("dev_set_mtu", {call("notifier_call_chain"), call("added_by_test")})});
    const auto id = [](const chain::Recording& recording, std::size_t index) {
        return recording.chains[index].id;
    };
    labs::diff::CompareOptions options;
    const auto found = [](std::string name, chain::ChainId id) {
        labs::diff::NamedChain named;
        named.name = std::move(name);
        named.found = {id};
        return named;
    };
    options.chains_a = {found("ip link set mtu", id(before, 1)),
                        found("a packet's", id(before, 2))};
    options.chains_b = {found("ip link set mtu", id(after, 1)), found("a packet's", id(after, 2))};
    labs::diff::NamedChain& of_b = options.chains_b[0];

    SECTION("equal") {
        const auto comparison = compare(before, before, options);
        CHECK(comparison.likeness == Likeness::equal);
        REQUIRE(comparison.pairs.size() == 2);  // the packet, and the one name without any
        CHECK_FALSE(comparison.pairs[0].is_chain);
        CHECK(comparison.pairs[1].is_chain);
        CHECK(comparison.pairs[1].summary == "ip link set mtu");
        CHECK(comparison.pairs[1].calls_a == 3);
        CHECK(comparison.a.without_packet == 1);
    }
    SECTION("a call that is added is added, and nothing else") {
        // Found as it was expected, or what came nearest to that.
        if (GENERATE(false, true)) {
            of_b.nearest = of_b.found[0];
            of_b.found.clear();
        }
        const auto comparison = compare(before, after, options);
        CHECK(comparison.likeness == Likeness::different);
        REQUIRE(comparison.differences.size() == 1);
        CHECK(comparison.differences[0].change == Change::added);
        CHECK(comparison.differences[0].function == "added_by_test");
        CHECK(comparison.differences[0].pairs == std::vector<std::size_t>{1});
        CHECK_FALSE(comparison.pairs[1].equal);
        const test::SchemaCheck schema("labs/diff/diff.schema.json");
        CHECK(schema.complaint(to_json(comparison)).empty());
    }
    SECTION("one that only one side has is told") {
        of_b.found.clear();
        // What came nearest handles a packet: something else, then.
        if (GENERATE(false, true)) of_b.nearest = id(after, 2);
        const auto comparison = compare(before, after, options);
        CHECK(comparison.likeness == Likeness::different);
        REQUIRE(comparison.differences.size() == 1);
        CHECK(comparison.differences[0].change == Change::chain_gone);
        CHECK(comparison.differences[0].function == "ip link set mtu");
        CHECK(comparison.a.without_packet == 1);
        CHECK(comparison.b.without_packet == 2);
        std::swap(options.chains_a, options.chains_b);
        CHECK(compare(after, before, options).differences[0].change == Change::chain_added);
    }
    SECTION("one that one side has lost is not known") {
        of_b.found.clear();
        of_b.lost = true;
        const auto comparison = compare(before, after, options);
        CHECK(comparison.likeness == Likeness::unknown);
        REQUIRE(comparison.differences.size() == 1);
        CHECK(comparison.differences[0].change == Change::lost);
        CHECK(comparison.differences[0].blind == labs::diff::Side::b);
    }
    SECTION("how often one came is no difference") {
        options.chains_a[0].found.push_back(id(before, 0));
        CHECK(compare(before, before, options).likeness == Likeness::equal);
    }
    SECTION(
        "a name that one side does not know, a number that is none, and what was not asked for") {
        of_b.name = "another";
        CHECK(compare(before, after, options).likeness == Likeness::equal);
        of_b = found("ip link set mtu", 99);
        CHECK(compare(before, after, options).likeness == Likeness::equal);
        of_b = found("ip link set mtu", id(after, 1));
        options.packet = 1;
        CHECK(compare(before, after, options).likeness == Likeness::equal);
        options.packet.reset();
        options.focus.ignore = {"added_*"};
        CHECK(compare(before, after, options).likeness == Likeness::equal);
    }
    SECTION("without any packet") {
        auto quiet_before = before;
        auto quiet_after = after;
        for (auto* recording : {&quiet_before, &quiet_after}) {
            recording->packets.clear();
            recording->chains.pop_back();
        }
        CHECK(compare(quiet_before, quiet_after, options).likeness == Likeness::different);
        CHECK_THROWS_AS(compare(quiet_before, quiet_after), std::invalid_argument);
    }
}

TEST_CASE("A verdict names the chains that it found") {
    labs::Verdict verdict;
    const auto add = [&](const char* name, labs::Outcome outcome,
                         std::vector<chain::ChainId> chains) -> labs::ChainVerdict& {
        verdict.chains.emplace_back();
        verdict.chains.back().name = name;
        verdict.chains.back().outcome = outcome;
        verdict.chains.back().chains = std::move(chains);
        return verdict.chains.back();
    };
    add("as expected", labs::Outcome::passed, {3, 5});
    labs::Divergence nearest;
    nearest.chain = 7;
    add("otherwise\x1b[2J", labs::Outcome::diverged, {}).divergence = nearest;
    add("nowhere", labs::Outcome::diverged, {}).divergence = labs::Divergence();
    add("not here", labs::Outcome::skipped, {});
    add("lost", labs::Outcome::not_judgeable, {});
    const auto named = labs::diff::parse_named_chains(to_json(verdict));
    REQUIRE(named.size() == 4);
    CHECK(named[0].name == "as expected");
    CHECK(named[0].found == std::vector<chain::ChainId>{3, 5});
    CHECK(named[1].name == "otherwise [2J");  // nothing that a terminal acts upon
    CHECK(named[1].found.empty());
    CHECK(named[1].nearest == 7);
    CHECK_FALSE(named[1].lost);
    CHECK_FALSE(named[2].nearest);
    CHECK(named[3].lost);
    for (const char* broken : {"", "{}", R"({"format":"skbtrail-verdict","version":1})",
                               R"({"format":"skbtrail-verdict","version":1,"chains":[7]})"}) {
        INFO(broken);
        CHECK_THROWS_AS(labs::diff::parse_named_chains(broken), chain::FormatError);
    }
}

TEST_CASE("Functions that one kernel cannot show are no difference, and said to be so") {
    const auto kernel = [](bool inlined) {
        test::RecordingBuilder builder;
        builder.packet(1, request).kernel(inlined ? "6.12" : "6.1");
        auto copy = call("__skb_clone").skb(1);
        auto sent = inlined
                        ? call("ip_output", {copy}).skb(1)
                        : call("ip_output", {call("skb_clone", {copy}), call("only_here")}).skb(1);
        return builder.chain(call("__x64_sys_sendto", {sent})).build();
    };
    const auto comparison = compare(kernel(false), kernel(true));
    CHECK(comparison.likeness == Likeness::equal);
    REQUIRE(comparison.differences.size() == 2);
    CHECK(comparison.differences[0].change == Change::inlined);
    CHECK(comparison.differences[0].function == "skb_clone");
    CHECK(comparison.differences[0].blind == labs::diff::Side::b);
    CHECK(comparison.differences[1].change == Change::not_traceable);
    CHECK(comparison.differences[1].function == "only_here");
}

TEST_CASE("A function that only one of two builds by the same person has is added") {
    const auto build = [](const std::string& release, std::vector<test::CallBuilder> below) {
        test::RecordingBuilder builder;
        builder.packet(1, request).kernel(release);
        const auto id = release + std::to_string(below.size());
        auto recording =
            builder.chain(call("__x64_sys_sendto", {call("ip_output", std::move(below)).skb(1)}))
                .build();
        recording.observed.kernel_build_id = id;
        recording.observed.host["lab"] = "udp";
        return recording;
    };
    const auto clean = build("6.12.95", {call("a"), call("b")});
    const auto leaf =
        compare(clean, build("6.12.95-00001-g12ab", {call("a"), call("mine"), call("b")}));
    CHECK(leaf.likeness == Likeness::different);
    REQUIRE(leaf.differences.size() == 1);
    CHECK(leaf.differences[0].change == Change::added);
    CHECK(leaf.differences[0].function == "mine");
    const auto tree = compare(
        clean,
        build("6.12.95+", {call("a"), call("mine", {call("also_mine"), call("c")}), call("b")}));
    REQUIRE(tree.differences.size() == 1);
    CHECK(tree.differences[0].change == Change::added);
    CHECK(tree.differences[0].function == "mine");
    // What it calls is there without it: the compiler's doing.
    const auto inlined = compare(clean, build("6.12.95", {call("a"), call("mine", {call("b")})}));
    CHECK(inlined.likeness == Likeness::equal);
    CHECK(inlined.differences.at(0).change == Change::inlined);
    // Of a distribution's kernel or another version one cannot say.
    CHECK(compare(clean, build("6.13.1", {call("a"), call("mine"), call("b")})).likeness ==
          Likeness::equal);
    auto packaged = clean;
    packaged.observed.host["kernel_package"] = "linux-image-amd64";
    CHECK(compare(packaged, build("6.12.95+", {call("a"), call("mine"), call("b")})).likeness ==
          Likeness::equal);
}

TEST_CASE("A module that only one boot of a kernel has loaded has added its calls") {
    const auto boot = [](const std::string& build, bool loaded) {
        test::RecordingBuilder builder;
        builder.packet(1, request);
        std::vector<test::CallBuilder> below = {call("ip_output").skb(1)};
        if (loaded) below.insert(below.begin(), call("my_hook", {call("my_look")}).in_module("my"));
        auto recording = builder.chain(call("__x64_sys_sendto", std::move(below))).build();
        recording.observed.kernel_build_id = build;
        return recording;
    };
    const auto added = compare(boot("01ab", false), boot("01ab", true));
    CHECK(added.likeness == Likeness::different);
    REQUIRE(added.differences.size() == 1);
    CHECK(added.differences[0].change == Change::added);
    CHECK(added.differences[0].function == "my_hook");
    CHECK(compare(boot("01ab", true), boot("01ab", false)).differences.at(0).change ==
          Change::gone);
    // Another kernel may have inlined it; a boot that could not attach to it has not seen it.
    auto other = boot("02ab", false);
    other.observed.kernel_release = "6.12.38+deb13-cloud-amd64";
    CHECK(compare(other, boot("01ab", true)).likeness == Likeness::equal);
    auto blind = boot("01ab", false);
    blind.observed.unavailable = {{"my_hook", "busy"}, {"my_look", "busy"}};
    CHECK(compare(blind, boot("01ab", true)).likeness == Likeness::equal);
}

TEST_CASE("Where events were lost, nothing is known") {
    const auto before = journey().build();
    auto after = before;
    auto& sent = after.chains[0].root.calls[0];
    sent.calls.erase(sent.calls.begin());
    sent.incomplete = "events were lost";
    const auto comparison = compare(before, after);
    REQUIRE(comparison.differences.size() == 1);
    CHECK(comparison.differences[0].change == Change::lost);
    CHECK(comparison.likeness == Likeness::unknown);
}

TEST_CASE("Packets without a counterpart, and other ends of packets, are told") {
    const auto before = journey().build();
    auto after = before;
    SECTION("fewer packets") {
        after.packets.pop_back();
        take_out(after.chains[1].root, 3);
        const auto comparison = compare(before, after);
        REQUIRE(comparison.differences.size() == 1);
        CHECK(comparison.differences[0].change == Change::packet_gone);
    }
    SECTION("dropped") {
        after.packets[0].fate = {"dropped", "nf_hook_slow", "NETFILTER_DROP"};
        const auto comparison = compare(before, after);
        REQUIRE(comparison.differences.size() == 1);
        CHECK(comparison.differences[0].change == Change::fate);
        CHECK(comparison.differences[0].other == "dropped (NETFILTER_DROP)");
    }
}

TEST_CASE("What to look at can be narrowed") {
    const auto before = journey().build();
    auto after = before;
    auto& sending = after.chains[0].root.calls[0];
    sending.calls[0].calls.erase(sending.calls[0].calls.begin());  // sock_alloc_send_pskb
    labs::diff::CompareOptions options;
    CHECK(compare(before, after).likeness == Likeness::different);
    SECTION("to one packet") {
        options.packet = 2;
        CHECK(compare(before, after, options).likeness == Likeness::equal);
        options.packet = 1;
        CHECK(compare(before, after, options).likeness == Likeness::different);
    }
    SECTION("to the rest of the way") {
        options.focus.from = "nf_hook_slow";
        CHECK(compare(before, after, options).likeness == Likeness::equal);
    }
    SECTION("to what is below a call") {
        options.focus.below = "__dev_queue_xmit";
        CHECK(compare(before, after, options).likeness == Likeness::equal);
        options.focus.below = "ip_append_*";
        CHECK(compare(before, after, options).likeness == Likeness::different);
    }
    SECTION("by leaving out") {
        options.focus.ignore = {"sock_alloc_*"};
        CHECK(compare(before, after, options).likeness == Likeness::equal);
    }
    SECTION("to a packet that is not there") {
        options.packet = 77;
        CHECK_THROWS_AS(compare(before, after, options), std::invalid_argument);
    }
}

TEST_CASE("The JSON of a comparison is as its schema says") {
    const auto before = journey().build();
    auto after = before;
    after.chains[0].root.calls[0].calls.pop_back();
    after.packets.pop_back();
    const test::SchemaCheck schema("labs/diff/diff.schema.json");
    CHECK(schema.complaint(to_json(compare(before, after))).empty());
    CHECK(schema.complaint(to_json(compare(before, before))).empty());
    CHECK_FALSE(schema.complaint("{}").empty());
}

TEST_CASE("Every rule has a name, a reason, and something to say") {
    for (const auto& rule : labs::diff::named_rules()) {
        CHECK_FALSE(rule.name.empty());
        CHECK(rule.reason.size() > 20);
        CHECK(rule.apart.size() + rule.through.size() + rule.may_come.size() + rule.repeats.size() +
                  rule.waits.size() + rule.headers.size() + rule.contents.size() +
                  rule.not_compared.size() >
              0);
    }
    CHECK_THROWS(labs::diff::parse_rules(R"({"format":"skbtrail-diff-rules","version":1,
        "rules":[{"name":"x","reason":"y","may_comme":[]}]})"));
}
