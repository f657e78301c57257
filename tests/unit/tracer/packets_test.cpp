#include "tracer/following/packets.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tracer/following.h"

using namespace skbtrail;
using namespace skbtrail::tracer;
using test::as_argument;
using test::drop_reasons;
using test::Followed;
using test::head_a;
using test::head_b;
using test::Ids;
using test::last;
using test::sight;
using test::skb_1;
using test::skb_2;
using test::skb_3;
using test::Story;
using test::unset;

namespace {

const FunctionTable& packet_functions() {
    static const auto table = test::make_table({"__build_skb_around",
                                                "__finalize_skb_around",
                                                "skb_put",
                                                "ip_rcv_core",
                                                "skb_clone",
                                                "__skb_clone",
                                                "__copy_skb_header",
                                                "skb_copy_header",
                                                "pskb_expand_head",
                                                "skb_release_data",
                                                "skb_free_head",
                                                "kfree_skbmem",
                                                "kmalloc_reserve",
                                                "sk_skb_reason_drop",
                                                "consume_skb",
                                                "start_xmit",
                                                "__sock_queue_rcv_skb",
                                                "skb_segment",
                                                "napi_skb_free_stolen_head",
                                                "skb_gro_receive",
                                                "receive_buf",
                                                "eth_type_trans"},
                                               {"icmp_rcv", "sock_def_readable", "raw_sendmsg"});
    return table;
}

Followed follow(const Story& story) {
    return test::follow(story, packet_functions(), drop_reasons);
}

}  // namespace

TEST_CASE("a packet is its head, from the sk_buff's birth on") {
    Story story(packet_functions());
    story.leaf("__build_skb_around", unset(skb_1, head_a));
    story.leaf("__finalize_skb_around", unset(skb_1, head_a));
    story.leaf("skb_put", sight(skb_1, head_a, 64, 0)).leaf("ip_rcv_core", sight(skb_1, head_a));
    const auto followed = follow(story);
    CHECK(followed.ids == Ids{1, 1, 1, 1});
    REQUIRE(followed.packets.packets.size() == 1);
    CHECK(followed.packets.packets[0].head == head_a);
    CHECK(followed.packets.packets[0].identified_by == "head");
    CHECK(followed.packets.packets[0].fate.kind == "queued");
    CHECK(followed.packets.packets[0].fate.function == "ip_rcv_core");
}

TEST_CASE("a head given back and used again is another packet") {
    Story story(packet_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a));
    SECTION("its last owner was seen to release it") {
        story.leaf("skb_release_data", last(sight(skb_1, head_a)));
    }
    SECTION("it was seen to be freed") {
        story.leaf("skb_free_head", sight(skb_1, head_a));
    }
    SECTION("only its new beginning was seen") {
        story.leaf("__build_skb_around", unset(skb_2, head_a));
    }
    SECTION("another packet took it over") {
        story.leaf("napi_skb_free_stolen_head", sight(skb_1, head_a));
    }
    story.leaf("ip_rcv_core", sight(skb_2, head_a));
    const auto followed = follow(story);
    CHECK(followed.ids.front() == 1);
    CHECK(followed.ids.back() == 2);
    CHECK(followed.packets.packets.size() == 2);
}

TEST_CASE("functions that free the sk_buff still belong to the packet that ended") {
    Story story(packet_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a))
        .leaf("skb_release_data", last(sight(skb_1, head_a)));
    story.leaf("skb_free_head", sight(skb_1, head_a)).leaf("kfree_skbmem", sight(skb_1, head_a));
    CHECK(follow(story).ids == Ids{1, 1, 1, 1});
}

TEST_CASE("a clone is the same packet, and it lasts until the last owner releases it") {
    Story story(packet_functions());
    story.call("skb_clone", sight(skb_1, head_a)).enter("__skb_clone");
    auto clone = unset(skb_2, 0);
    story.event("__skb_clone", clone);
    story.event("__skb_clone", as_argument(sight(skb_1, head_a), 1), true);
    // What the clone's memory held before must not count.
    story.enter("__copy_skb_header").event("__copy_skb_header", sight(skb_2, head_b));
    story.event("__copy_skb_header", as_argument(sight(skb_1, head_a), 1), true);
    story.leave("__copy_skb_header").leave("__skb_clone").leave("skb_clone");
    story.leaf("ip_rcv_core", sight(skb_2, head_a));
    story.leaf("skb_release_data", sight(skb_1, head_a)).leaf("kfree_skbmem", sight(skb_1, head_a));
    story.leaf("ip_rcv_core", sight(skb_2, head_a));
    const auto followed = follow(story);
    CHECK(followed.ids == Ids{1, 0, 1, 0, 1, 1, 1, 1, 1});
    CHECK(followed.packets.packets.size() == 1);
    const auto& edges = followed.packets.packets[0].edges;
    REQUIRE(edges.size() == 1);
    CHECK(edges[0].kind == "clone");
    CHECK(edges[0].packet == 1);
    CHECK(edges[0].skb == skb_2);
}

TEST_CASE("a copy is another packet with an edge") {
    Story story(packet_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a));
    story.leaf("__build_skb_around", unset(skb_2, head_b)).leaf("skb_put", sight(skb_2, head_b));
    SECTION("copied") {
        story.enter("skb_copy_header").event("skb_copy_header", sight(skb_2, head_b));
        story.event("skb_copy_header", as_argument(sight(skb_1, head_a), 1), true);
        story.leave("skb_copy_header");
        const auto followed = follow(story);
        REQUIRE(followed.packets.packets.size() == 2);
        REQUIRE(followed.packets.packets[1].edges.size() == 1);
        CHECK(followed.packets.packets[1].edges[0].kind == "copy");
        CHECK(followed.packets.packets[1].edges[0].packet == 1);
        CHECK(followed.packets.packets[1].identified_by == "copy");
    }
    SECTION("a segment") {
        story.call("skb_segment", sight(skb_1, head_a));
        story.enter("__copy_skb_header").event("__copy_skb_header", sight(skb_2, head_b));
        story.event("__copy_skb_header", as_argument(sight(skb_1, head_a), 1), true);
        story.leave("__copy_skb_header").leave("skb_segment");
        const auto followed = follow(story);
        REQUIRE(followed.packets.packets.size() == 2);
        CHECK(followed.packets.packets[1].edges.at(0).kind == "segment");
    }
}

TEST_CASE("a copy whose head nobody saw it get is another packet all the same") {
    Story story(packet_functions());
    // Somebody else's head before, whose end nobody saw either.
    story.leaf("ip_rcv_core", sight(skb_3, head_b));
    SECTION("and nobody saw the sk_buff before") {}
    SECTION("and the sk_buff was allocated") {
        story.leaf("kmalloc_reserve", unset(skb_2, 0));
    }
    story.call("skb_segment", sight(skb_1, head_a));
    story.enter("__copy_skb_header").event("__copy_skb_header", sight(skb_2, head_b));
    story.event("__copy_skb_header", as_argument(sight(skb_1, head_a), 1), true);
    story.leave("__copy_skb_header").leaf("ip_rcv_core", sight(skb_2, head_b));
    story.leave("skb_segment");
    const auto followed = follow(story);
    REQUIRE(followed.packets.packets.size() == 3);
    const auto& segment = followed.packets.packets[2];
    CHECK(segment.head == head_b);
    REQUIRE(segment.edges.size() == 1);
    CHECK(segment.edges[0].kind == "segment");
    CHECK(segment.edges[0].packet == 2);
    CHECK(followed.ids.back() == segment.id);
}

TEST_CASE("what a header is copied to without a caller may be a clone, and is nobody") {
    Story story(packet_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a));
    story.enter("__copy_skb_header").event("__copy_skb_header", sight(skb_2, head_b));
    story.event("__copy_skb_header", as_argument(sight(skb_1, head_a), 1), true);
    story.leave("__copy_skb_header");
    const auto followed = follow(story);
    CHECK(followed.ids == Ids{1, 0, 1});
    CHECK(followed.packets.packets.size() == 1);
}

TEST_CASE("a packet moved to a larger head has an edge to what it was") {
    Story story(packet_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a));
    story.call("pskb_expand_head", sight(skb_1, head_a));
    story.leaf("skb_free_head", sight(skb_1, head_a)).leave("pskb_expand_head");
    story.leaf("ip_rcv_core", sight(skb_1, head_b));
    const auto followed = follow(story);
    CHECK(followed.ids == Ids{1, 1, 1, 2});
    REQUIRE(followed.packets.packets.size() == 2);
    CHECK(followed.packets.packets[1].edges.at(0).kind == "expand_head");
    CHECK(followed.packets.packets[1].edges.at(0).packet == 1);
    CHECK(followed.packets.packets[0].fate.kind == "moved");
    CHECK(followed.packets.packets[0].fate.into == 2);
}

TEST_CASE("a packet that GRO appends to another ends in it, unless it goes its own way") {
    Story story(packet_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a));
    story.enter("skb_gro_receive").event("skb_gro_receive", sight(skb_1, head_a));
    story.event("skb_gro_receive", as_argument(sight(skb_2, head_b), 1), true);
    story.leave("skb_gro_receive");
    SECTION("appended") {
        story.leaf("napi_skb_free_stolen_head", sight(skb_2, head_b));
        const auto packets = follow(story).packets.packets;
        REQUIRE(packets.size() == 2);
        REQUIRE(packets[1].edges.size() == 1);
        CHECK(packets[1].edges[0].kind == "gro_merge");
        CHECK(packets[1].edges[0].packet == 1);
        CHECK(packets[1].fate.kind == "merged");
        CHECK(packets[1].fate.function == "skb_gro_receive");
        CHECK(packets[1].fate.into == 1);
        CHECK(packets[0].edges.empty());
    }
    SECTION("refused, and delivered by itself") {
        story.call("__sock_queue_rcv_skb", sight(skb_2, head_b)).enter("sock_def_readable");
        story.leave("sock_def_readable").leave("__sock_queue_rcv_skb");
        story.leaf("skb_release_data", last(sight(skb_2, head_b)));
        const auto packets = follow(story).packets.packets;
        REQUIRE(packets.size() == 2);
        CHECK(packets[1].edges.empty());
        CHECK(packets[1].fate.kind == "delivered");
    }
}

TEST_CASE("an argument that cannot be an sk_buff is nobody") {
    Story story(packet_functions());
    auto wild = sight(skb_1, head_a);
    SECTION("data before head") {
        wild.data = head_a - 1;
    }
    SECTION("data behind end") {
        wild.data = head_a + wild.end + 1;
    }
    SECTION("tail behind end") {
        wild.tail = wild.end + 1;
    }
    SECTION("no head") {
        wild.head = 0;
    }
    SECTION("an end beyond reason") {
        wild.end = 1U << 30U;
    }
    story.leaf("ip_rcv_core", wild);
    const auto followed = follow(story);
    CHECK(followed.ids == Ids{0});
    CHECK(followed.packets.packets.empty());
    CHECK(followed.packets.implausible == 1);
}

TEST_CASE("fates") {
    Story story(packet_functions());
    SECTION("transmitted, though its memory is released afterwards") {
        story.leaf("start_xmit", sight(skb_1, head_a)).leaf("consume_skb", sight(skb_1, head_a));
        const auto fate = follow(story).packets.packets.at(0).fate;
        CHECK(fate.kind == "transmitted");
        CHECK(fate.function == "start_xmit");
    }
    SECTION("delivered, if the reader was told") {
        story.call("__sock_queue_rcv_skb", sight(skb_1, head_a)).enter("sock_def_readable");
        story.leave("sock_def_readable").leave("__sock_queue_rcv_skb");
        CHECK(follow(story).packets.packets.at(0).fate.kind == "delivered");
    }
    SECTION("not delivered, if the socket refused it") {
        story.leaf("__sock_queue_rcv_skb", sight(skb_1, head_a));
        story.leaf("skb_release_data", last(sight(skb_1, head_a)));
        CHECK(follow(story).packets.packets.at(0).fate.kind == "unknown");
    }
    SECTION("dropped, with the reason and who decided") {
        auto dropped = sight(skb_1, head_a);
        dropped.extra = 3;
        story.enter("icmp_rcv").leaf("sk_skb_reason_drop", dropped).leave("icmp_rcv");
        const auto fate = follow(story).packets.packets.at(0).fate;
        CHECK(fate.kind == "dropped");
        CHECK(fate.function == "icmp_rcv");
        CHECK(fate.reason == "NO_SOCKET");
    }
    SECTION("a reason that this kernel does not name is a number") {
        auto dropped = sight(skb_1, head_a);
        dropped.extra = 0x20001;
        story.leaf("sk_skb_reason_drop", dropped);
        CHECK(follow(story).packets.packets.at(0).fate.reason == "131073");
    }
    SECTION("one of several references given up is no fate") {
        auto dropped = sight(skb_1, head_a);
        dropped.extra = 3;
        dropped.users = 2;
        story.leaf("sk_skb_reason_drop", dropped);
        CHECK(follow(story).packets.packets.at(0).fate.kind == "queued");
    }
    SECTION("consumed") {
        story.leaf("consume_skb", sight(skb_1, head_a));
        CHECK(follow(story).packets.packets.at(0).fate.kind == "consumed");
    }
    SECTION("the reason CONSUMED is no drop") {
        auto dropped = sight(skb_1, head_a);
        dropped.extra = 1;
        story.leaf("sk_skb_reason_drop", dropped);
        CHECK(follow(story).packets.packets.at(0).fate.kind == "consumed");
    }
    SECTION("what a driver drops it has not transmitted") {
        auto dropped = sight(skb_1, head_a);
        dropped.extra = 2;
        story.call("start_xmit", sight(skb_1, head_a)).leaf("sk_skb_reason_drop", dropped);
        story.leave("start_xmit");
        CHECK(follow(story).packets.packets.at(0).fate.kind == "dropped");
    }
    SECTION("delivered to one, dropped for another: delivered") {
        story.call("__sock_queue_rcv_skb", sight(skb_2, head_a)).enter("sock_def_readable");
        story.leave("sock_def_readable").leave("__sock_queue_rcv_skb");
        auto dropped = sight(skb_1, head_a);
        dropped.extra = 3;
        story.leaf("sk_skb_reason_drop", dropped);
        CHECK(follow(story).packets.packets.at(0).fate.kind == "delivered");
    }
}

TEST_CASE("packets are followed across CPUs in order of time") {
    Story story(packet_functions());
    story.leaf("ip_rcv_core", sight(skb_1, head_a)).on_cpu(1);
    story.leaf("skb_release_data", last(sight(skb_1, head_a))).on_cpu(0);
    story.leaf("ip_rcv_core", sight(skb_2, head_a));
    const auto followed = follow(story);
    CHECK(followed.ids == Ids{1, 2});
    CHECK(followed.packets.of_event.at(1) == Ids{1});
}

TEST_CASE("a packet arrives in the buffer that the driver took, though it was copied out of it") {
    Story story(packet_functions());
    const auto taken = [](std::uint64_t buffer) {
        skbtrail_event event{};
        event.argument = SKBTRAIL_NO_ARGUMENT;
        event.extra = buffer;
        return event;
    };
    story.call("receive_buf", taken(0xffff888005958000))
        .leaf("skb_put", sight(skb_1, head_a))
        .leaf("eth_type_trans", sight(skb_1, head_a))
        .leave("receive_buf");
    story.call("receive_buf", taken(0xffff888005958600))
        .leaf("eth_type_trans", sight(skb_2, head_b))
        .leave("receive_buf");
    const auto followed = follow(story);
    REQUIRE(followed.packets.packets.size() == 2);
    CHECK(followed.packets.packets[0].arrived_in == 0xffff888005958000);
    CHECK(followed.packets.packets[1].arrived_in == 0xffff888005958600);
}

TEST_CASE("a packet that no driver took from a ring did not arrive in a buffer") {
    Story story(packet_functions());
    story.leaf("eth_type_trans", sight(skb_1, head_a));
    const auto followed = follow(story);
    REQUIRE(followed.packets.packets.size() == 1);
    CHECK(followed.packets.packets[0].arrived_in == 0);
}
