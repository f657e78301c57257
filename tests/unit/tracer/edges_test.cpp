// What packets have to do with each other, and what became of each sk_buff.
#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tracer/following.h"

using namespace skbtrail;
using namespace skbtrail::tracer;
using namespace skbtrail::tracer::test;

namespace {

const FunctionTable& edge_functions() {
    static const auto table = make_table({"ip_rcv_core",
                                          "ip_forward",
                                          "ip_do_fragment",
                                          "ip_frag_next",
                                          "ip_finish_output2",
                                          "inet_frag_queue_insert",
                                          "inet_frag_reasm_finish",
                                          "tcp_try_coalesce",
                                          "skb_try_coalesce",
                                          "kfree_skb_partial",
                                          "tcp_queue_rcv",
                                          "skb_gro_receive",
                                          "skb_clone",
                                          "__copy_skb_header",
                                          "packet_rcv",
                                          "tpacket_rcv",
                                          "sock_def_readable",
                                          "consume_skb",
                                          "kfree_skbmem",
                                          "skb_release_data",
                                          "skb_consume_udp",
                                          "skb_copy_datagram_iter",
                                          "sk_skb_reason_drop",
                                          "__udp_enqueue_schedule_skb",
                                          "__build_skb_around",
                                          "start_xmit"},
                                         {"packet_recvmsg", "dev_queue_xmit_nit"});
    return table;
}

std::vector<chain::Packet> packets_of(const Story& story) {
    return follow(story, edge_functions(), drop_reasons).packets.packets;
}

/// A call with two sk_buffs.
Story& two(Story& story, const std::string& function, const skbtrail_event& first,
           const skbtrail_event& second) {
    story.enter(function).event(function, as_argument(first, 0));
    return story.event(function, as_argument(second, 1), true).leave(function);
}

/// skb_clone(from), which gives `made`.
Story& clone(Story& story, const skbtrail_event& from, std::uint64_t made) {
    story.call("skb_clone", from).enter("__copy_skb_header");
    // The new one's fields are still what its memory held before.
    story.event("__copy_skb_header", sight(made, head_c));
    story.event("__copy_skb_header", as_argument(from, 1), true);
    return story.leave("__copy_skb_header").leave("skb_clone");
}

skbtrail_event no_skb(std::uint64_t value) {
    skbtrail_event event{};
    event.argument = SKBTRAIL_NO_ARGUMENT;
    event.extra = value;
    return event;
}

bool has_edge(const chain::Packet& packet, const std::string& kind, chain::PacketId other) {
    return std::any_of(packet.edges.begin(), packet.edges.end(),
                       [&](const auto& edge) { return edge.kind == kind && edge.packet == other; });
}

}  // namespace

TEST_CASE("whether GRO took a packet is told by the length of the other one") {
    Story story(edge_functions());
    two(story, "skb_gro_receive", sight(skb_1, head_a, 64, 100), sight(skb_2, head_b));
    SECTION("it grew: taken, though what was taken is freed much later") {
        story.leaf("ip_rcv_core", sight(skb_1, head_a, 64, 200));
        story.leaf("consume_skb", sight(skb_1, head_a)).leaf("consume_skb", sight(skb_2, head_b));
        const auto packets = packets_of(story);
        CHECK(has_edge(packets[1], "gro_merge", 1));
        CHECK(packets[1].fate.kind == "merged");
        CHECK(packets[1].fate.into == 1);
        CHECK(packets[0].fate.kind == "consumed");
    }
    SECTION("it did not: refused, and no other way was seen") {
        story.leaf("ip_rcv_core", sight(skb_1, head_a, 64, 100));
        story.leaf("consume_skb", sight(skb_2, head_b));
        const auto packets = packets_of(story);
        CHECK(packets[1].edges.empty());
        CHECK(packets[1].fate.kind == "consumed");
    }
    SECTION("the next attempt decides over the one before") {
        two(story, "skb_gro_receive", sight(skb_1, head_a, 64, 200), sight(skb_3, head_c));
        story.leaf("ip_rcv_core", sight(skb_1, head_a, 64, 200));
        const auto packets = packets_of(story);
        REQUIRE(packets.size() == 3);
        CHECK(has_edge(packets[1], "gro_merge", 1));
        CHECK(packets[2].edges.empty());
    }
}

TEST_CASE("coalesced data belong to the other packet once the sk_buff is given up") {
    Story story(edge_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a)).leaf("ip_rcv_core", sight(skb_2, head_b));
    story.call("tcp_queue_rcv", sight(skb_2, head_b)).enter("tcp_try_coalesce");
    story.event("tcp_try_coalesce", as_argument(sight(skb_1, head_a), 1));
    story.event("tcp_try_coalesce", as_argument(sight(skb_2, head_b), 2), true);
    two(story, "skb_try_coalesce", sight(skb_1, head_a), sight(skb_2, head_b));
    story.leave("tcp_try_coalesce").leave("tcp_queue_rcv");
    SECTION("with its head, whose address then is another packet's") {
        story.leaf("kfree_skb_partial", with(sight(skb_2, head_b), 1));
        story.leaf("ip_rcv_core", sight(skb_3, head_b));
        const auto packets = packets_of(story);
        REQUIRE(packets.size() == 3);
        CHECK(has_edge(packets[1], "coalesce", 1));
        CHECK(packets[1].edges.at(0).function == "tcp_try_coalesce");
        CHECK(packets[1].fate.kind == "merged");
        CHECK(packets[1].fate.into == 1);
        CHECK(packets[2].fate.kind == "queued");
    }
    SECTION("without its head") {
        story.call("kfree_skb_partial", with(sight(skb_2, head_b), 0));
        story.leaf("skb_release_data", last(sight(skb_2, head_b))).leave("kfree_skb_partial");
        const auto packets = packets_of(story);
        CHECK(has_edge(packets[1], "coalesce", 1));
    }
    SECTION("refused") {
        const auto packets = packets_of(story);
        CHECK(packets[1].edges.empty());
        CHECK(packets[1].fate.kind == "delivered");
    }
}

TEST_CASE("fragments become one packet; one that was dropped before does not") {
    Story story(edge_functions());
    constexpr std::uint64_t queue = 0xffff888000c00000;
    story.leaf("inet_frag_queue_insert", with(sight(skb_1, head_a), queue));
    story.leaf("inet_frag_queue_insert", with(sight(skb_3, head_c), queue));
    story.leaf("skb_release_data", last(sight(skb_3, head_c)));
    story.leaf("inet_frag_queue_insert", with(sight(skb_2, head_b), queue));
    story.leaf("inet_frag_reasm_finish", with(sight(skb_1, head_a), queue));
    const auto packets = packets_of(story);
    REQUIRE(packets.size() == 3);
    CHECK(packets[0].edges.empty());
    CHECK(packets[1].edges.empty());
    CHECK(has_edge(packets[2], "reassemble", 1));
    CHECK(packets[2].fate.kind == "merged");
    CHECK(packets[2].fate.into == 1);
}

TEST_CASE("what is sent while a packet is cut are its pieces") {
    Story story(edge_functions());
    story.call("ip_do_fragment", sight(skb_1, head_a)).call("ip_frag_next", sight(skb_1, head_a));
    story.leaf("__build_skb_around", unset(skb_2, head_b)).leave("ip_frag_next");
    story.leaf("ip_finish_output2", sight(skb_2, head_b));
    story.leaf("consume_skb", sight(skb_1, head_a)).leave("ip_do_fragment");
    story.leaf("ip_finish_output2", sight(skb_3, head_c));
    const auto packets = packets_of(story);
    REQUIRE(packets.size() == 3);
    CHECK(packets[0].edges.empty());
    CHECK(has_edge(packets[1], "fragment", 1));
    CHECK(packets[2].edges.empty());
}

TEST_CASE("a packet that is sent on is itself") {
    Story story(edge_functions());
    story.leaf("ip_forward", sight(skb_1, head_a)).leaf("start_xmit", sight(skb_1, head_a));
    const auto packets = packets_of(story);
    REQUIRE(packets.size() == 1);
    CHECK(has_edge(packets[0], "forward", 1));
    CHECK(packets[0].identified_by == "head");
    CHECK(packets[0].fate.kind == "transmitted");
}

TEST_CASE("what a packet socket is shown is not what became of the packet") {
    Story story(edge_functions());
    auto shared = sight(skb_1, head_a);
    shared.users = 2;
    SECTION("received: the socket queues a clone") {
        story.leaf("ip_rcv_core", sight(skb_1, head_a)).call("packet_rcv", shared);
        clone(story, shared, skb_2);
        story.leaf("sock_def_readable", no_skb(448)).leave("packet_rcv");
        story.leaf("sk_skb_reason_drop", with(sight(skb_1, head_a), 3));
        story.enter("packet_recvmsg").leaf("skb_copy_datagram_iter", sight(skb_2, head_a));
        story.leave("packet_recvmsg").leaf("consume_skb", sight(skb_2, head_a));
    }
    SECTION("sent: it is given a clone") {
        story.leaf("ip_rcv_core", sight(skb_1, head_a)).enter("dev_queue_xmit_nit");
        clone(story, sight(skb_1, head_a), skb_2).call("packet_rcv", sight(skb_2, head_a));
        story.leaf("sock_def_readable", no_skb(448)).leave("packet_rcv");
        story.leave("dev_queue_xmit_nit");
        story.leaf("sk_skb_reason_drop", with(sight(skb_1, head_a), 3));
        story.enter("packet_recvmsg").leaf("skb_copy_datagram_iter", sight(skb_2, head_a));
        story.leave("packet_recvmsg").leaf("consume_skb", sight(skb_2, head_a));
    }
    const auto packets = packets_of(story);
    REQUIRE(packets.size() == 1);
    CHECK(packets[0].fate.kind == "dropped");
    REQUIRE(packets[0].fates.size() == 2);
    CHECK(packets[0].fates[1].kind == "delivered");
    CHECK(packets[0].fates[1].function == "packet_rcv");
    CHECK(packets[0].fates[1].socket == 448);
    CHECK(packets[0].fates[1].skb == skb_2);
    CHECK(packets[0].fates[1].pid == 100);
}

TEST_CASE("a packet socket's ring gets the bytes only") {
    Story story(edge_functions());
    auto shared = sight(skb_1, head_a);
    shared.users = 2;
    story.call("tpacket_rcv", shared).leaf("sock_def_readable", no_skb(7)).leave("tpacket_rcv");
    story.leaf("sk_skb_reason_drop", with(sight(skb_1, head_a), 3));
    const auto packets = packets_of(story);
    CHECK(packets[0].fate.kind == "dropped");
    REQUIRE(packets[0].fates.size() == 2);
    CHECK(packets[0].fates[1].function == "tpacket_rcv");
}

TEST_CASE("a packet that nobody else wants is the packet socket's") {
    Story story(edge_functions());
    story.call("packet_rcv", sight(skb_1, head_a)).leaf("sock_def_readable", no_skb(448));
    story.leave("packet_rcv").leaf("consume_skb", sight(skb_1, head_a));
    const auto packets = packets_of(story);
    CHECK(packets[0].fate.kind == "delivered");
    CHECK(packets[0].fate.socket == 448);
    CHECK(packets[0].fates.empty());
}

TEST_CASE("who read a datagram, and that nobody did") {
    Story story(edge_functions());
    story.call("__udp_enqueue_schedule_skb", sight(skb_1, head_a));
    story.leaf("sock_def_readable", no_skb(447)).leave("__udp_enqueue_schedule_skb");
    SECTION("read") {
        story.thread(42).leaf("skb_consume_udp", sight(skb_1, head_a));
        const auto fate = packets_of(story).at(0).fate;
        CHECK(fate.kind == "delivered");
        CHECK(fate.function == "__udp_enqueue_schedule_skb");
        CHECK(fate.socket == 447);
        CHECK(fate.pid == 42);
    }
    SECTION("not read") {
        const auto fate = packets_of(story).at(0).fate;
        CHECK(fate.kind == "delivered");
        CHECK_FALSE(fate.pid);
    }
}

TEST_CASE("an sk_buff's memory used again holds the same packet anew") {
    Story story(edge_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a));
    clone(story, sight(skb_1, head_a), skb_2);
    story.leaf("consume_skb", sight(skb_2, head_a)).leaf("kfree_skbmem", sight(skb_2, head_a));
    clone(story, sight(skb_1, head_a), skb_2);
    story.leaf("start_xmit", sight(skb_2, head_a));
    const auto packets = packets_of(story);
    REQUIRE(packets.size() == 1);
    REQUIRE(packets[0].fates.size() == 3);
    CHECK(packets[0].fates[1].kind == "consumed");
    CHECK(packets[0].fates[2].kind == "transmitted");
    CHECK(packets[0].fate.kind == "transmitted");
}
