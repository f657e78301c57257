#include "tracer/policy.h"

#include <catch2/catch_test_macros.hpp>

#include "tracer/bpf/event.h"

using namespace skbtrail::tracer;

namespace {

constexpr auto none = std::uint32_t{SKBTRAIL_NO_ARGUMENT};

std::uint32_t cookie(std::uint32_t argument, std::uint32_t shape, std::uint32_t second,
                     std::uint32_t extra, std::uint32_t flags = 0) {
    return argument | shape << 4U | second << 8U | extra << 12U | flags;
}

std::optional<std::uint32_t> cookie_for(std::string_view name, std::vector<Parameter> parameters) {
    const Signature signature{std::move(parameters), false};
    return cookie_of(name, &signature);
}

using enum Parameter;

}  // namespace

TEST_CASE("a cookie says which argument is the sk_buff") {
    CHECK(cookie_for("f", {skb}) == cookie(0, SKBTRAIL_SHAPE_SKB, none, none));
    CHECK(cookie_for("f", {other, device, skb}) == cookie(2, SKBTRAIL_SHAPE_SKB, none, none));
    CHECK(cookie_for("f", {skb, other, skb}) == cookie(0, SKBTRAIL_SHAPE_SKB, 2, none));
    CHECK_FALSE(cookie_for("f", {other, other}));
    CHECK_FALSE(cookie_for("f", {}));
    CHECK_FALSE(cookie_of("f", nullptr));
}

TEST_CASE("arguments by value take the registers that they take") {
    CHECK(cookie_for("f", {wide, skb}) == cookie(2, SKBTRAIL_SHAPE_SKB, none, none));
    CHECK(cookie_for("f", {in_memory, skb}) == cookie(0, SKBTRAIL_SHAPE_SKB, none, none));
    CHECK(cookie_for("f", {other, other, other, other, other, other, skb}) ==
          cookie(6, SKBTRAIL_SHAPE_SKB, none, none));
    CHECK_FALSE(cookie_for("f", std::vector<Parameter>(15, other)));
}

TEST_CASE("the reason of a drop is wanted, too") {
    CHECK(cookie_for("kfree_skb_reason", {skb, drop_reason}) ==
          cookie(0, SKBTRAIL_SHAPE_SKB, none, 1));
    CHECK(cookie_for("sk_skb_reason_drop", {other, skb, drop_reason}) ==
          cookie(1, SKBTRAIL_SHAPE_SKB, none, 2));
}

TEST_CASE("lists and pointers to pointers are followed where they are known to lead to packets") {
    CHECK(cookie_for("ip_list_rcv", {list, other, device}) ==
          cookie(0, SKBTRAIL_SHAPE_LIST, none, none));
    CHECK_FALSE(cookie_for("some_list_function", {list, other}));
    CHECK(cookie_for("do_xdp_generic", {other, skb_pointer}) ==
          cookie(1, SKBTRAIL_SHAPE_SKB_POINTER, none, none));
    CHECK_FALSE(cookie_for("__skb_try_recv_datagram", {other, skb_pointer}));
    CHECK(cookie_for("dev_hard_start_xmit", {skb, device}) ==
          cookie(0, SKBTRAIL_SHAPE_CHAIN, none, none, SKBTRAIL_COOKIE_HEADERS_DONE));
    CHECK(cookie_for("rtnl_kfree_skbs", {skb, skb}) == cookie(0, SKBTRAIL_SHAPE_CHAIN, none, none));
    // Without BTF, its parameters having been changed, its first one is still known.
    CHECK(cookie_of("__netif_receive_skb_core.constprop.0", nullptr) ==
          cookie(0, SKBTRAIL_SHAPE_SKB_POINTER, none, none, SKBTRAIL_COOKIE_HEADERS_DONE));
}

TEST_CASE("what looks like an sk_buff and is none is left alone") {
    CHECK_FALSE(cookie_for("__skb_wait_for_more_packets", {other, other, other, other, skb}));
    CHECK_FALSE(cookie_for("do_softirq.part.0", {skb}));
    CHECK_FALSE(cookie_for("ip_rcv.cold", {skb}));
}

TEST_CASE("an sk_buff that is only being made is marked, with its head-to-be") {
    CHECK(cookie_for("__build_skb_around", {skb, other, other}) ==
          cookie(0, SKBTRAIL_SHAPE_SKB, none, 1,
                 SKBTRAIL_COOKIE_UNSET | SKBTRAIL_COOKIE_HEADERS_OPEN));
    CHECK(cookie_for("__skb_clone", {skb, skb}) ==
          cookie(0, SKBTRAIL_SHAPE_SKB, 1, none, SKBTRAIL_COOKIE_UNSET));
    CHECK(cookie_for("skb_release_data", {skb, drop_reason}) ==
          cookie(0, SKBTRAIL_SHAPE_SKB, none, 1, SKBTRAIL_COOKIE_RELEASES));
}

TEST_CASE("behind the release of a head nothing is said of the next packet there") {
    CHECK(cookie_for("skb_free_head", {skb}) ==
          cookie(0, SKBTRAIL_SHAPE_SKB, none, none,
                 SKBTRAIL_COOKIE_AFTER_END | SKBTRAIL_COOKIE_ENDS));
    CHECK(cookie_for("kfree_skbmem", {skb}) ==
          cookie(0, SKBTRAIL_SHAPE_SKB, none, none,
                 SKBTRAIL_COOKIE_AFTER_END | SKBTRAIL_COOKIE_FREES));
    CHECK(cookie_for("msg_zerocopy_complete", {skb, other, other}) ==
          cookie(0, SKBTRAIL_SHAPE_SKB, none, none, SKBTRAIL_COOKIE_AFTER_END));
}

TEST_CASE("roots tell who runs") {
    CHECK(cookie_of("__x64_sys_sendto", nullptr) ==
          cookie(none, SKBTRAIL_SHAPE_SKB, none, none, SKBTRAIL_COOKIE_CONTEXT));
    CHECK(roles_of("__x64_sys_recvmsg", nullptr) == role::root);
    CHECK(roles_of("__ia32_compat_sys_recvmsg", nullptr) == role::root);
    CHECK(roles_of("__x64_sys_openat", nullptr) == 0);
    CHECK(roles_of("__napi_poll", nullptr) == (role::root | role::poll));
    CHECK(roles_of("__sys_sendto", nullptr) == 0);
}

TEST_CASE("roles do not depend on the compiler's suffixes") {
    CHECK(roles_of("skb_free_head.isra.0", nullptr) == roles_of("skb_free_head", nullptr));
    const Signature driver{{skb, device}, true};
    CHECK(roles_of("start_xmit", &driver) == role::transmits);
}

TEST_CASE("stubs and frames around every chain are not traced") {
    CHECK(is_tracing_stub("__traceiter_net_dev_xmit"));
    CHECK(is_tracing_stub("__bpf_trace_tls_contenttype"));
    CHECK_FALSE(is_tracing_stub("tcp_v4_rcv"));
    CHECK(is_above_roots("net_rx_action"));
    CHECK_FALSE(is_above_roots("__napi_poll"));
    CHECK(is_helper("virtqueue_add_outbuf"));
    CHECK(is_helper("vring_map_one_sg"));
    CHECK_FALSE(is_helper("schedule"));
}

TEST_CASE("values that matter are found by the function's prototype") {
    CHECK(cookie_for("receive_buf", {other, queue, other, other}) ==
          cookie(none, SKBTRAIL_SHAPE_SKB, none, 2));
    CHECK_FALSE(cookie_for("receive_buf", {other, other, other}));
    CHECK(cookie_for("virtnet_poll", {napi, other}) == cookie(none, SKBTRAIL_SHAPE_SKB, none, 1));
    CHECK(cookie_for("napi_complete_done", {napi, other}) ==
          cookie(none, SKBTRAIL_SHAPE_SKB, none, 1));
    CHECK_FALSE(cookie_for("napi_schedule", {napi, other}));
    const Signature poll{{napi, other}, false};
    CHECK(roles_of("virtnet_poll", &poll) == role::has_budget);
    CHECK(roles_of("napi_complete_done", &poll) == role::has_work);
    CHECK(roles_of("__napi_poll", &poll) == (role::root | role::poll));
    CHECK(roles_of("virtnet_poll", nullptr) == 0);
}

TEST_CASE("the core is what most packets pass, and the driver") {
    CHECK(is_core("ip_rcv_core.isra.0", false));
    CHECK(is_core("kfree_skb_reason", false));
    CHECK(is_core("page_to_skb", true));
    CHECK_FALSE(is_core("xfrm_input", false));
    CHECK_FALSE(is_core("dccp_v4_rcv", false));
}

TEST_CASE("who delivers, wakes or reads tells the socket") {
    CHECK(cookie_for("__udp_enqueue_schedule_skb", {sock, skb}) ==
          cookie(1, SKBTRAIL_SHAPE_SKB, none, 0, SKBTRAIL_COOKIE_SOCKET));
    CHECK(cookie_for("sock_def_readable", {sock}) ==
          cookie(none, SKBTRAIL_SHAPE_SKB, none, 0, SKBTRAIL_COOKIE_SOCKET));
    CHECK(cookie_for("skb_consume_udp", {sock, skb, other}) ==
          cookie(1, SKBTRAIL_SHAPE_SKB, none, 0, SKBTRAIL_COOKIE_SOCKET));
    const Signature queueing{{sock, skb}, false};
    CHECK((roles_of("__udp_enqueue_schedule_skb", &queueing) & role::has_socket) != 0);
    // Others have one that matters to nobody, and a place that is no number of an argument.
    CHECK(cookie_for("udp_rcv", {sock, skb}) == cookie(1, SKBTRAIL_SHAPE_SKB, none, none));
    CHECK_FALSE(cookie_for("sock_def_readable", {wide, sock}));
    CHECK_FALSE(cookie_for("sock_wfree", {sock}));
}

TEST_CASE("what else matters beside an sk_buff") {
    CHECK(cookie_for("kfree_skb_partial", {skb, other}) == cookie(0, SKBTRAIL_SHAPE_SKB, none, 1));
    CHECK(cookie_for("inet_frag_queue_insert", {other, skb, other, other}) ==
          cookie(1, SKBTRAIL_SHAPE_SKB, none, 0));
    for (const char* gro : {"inet_gro_receive", "dev_gro_receive"}) {
        CHECK(cookie_for(gro, {list, skb}) ==
              cookie(1, SKBTRAIL_SHAPE_SKB, none, none, SKBTRAIL_COOKIE_GRO));
    }
    CHECK(
        cookie_for("__napi_poll", {napi, other}) ==
        cookie(none, SKBTRAIL_SHAPE_SKB, none, 0, SKBTRAIL_COOKIE_CONTEXT | SKBTRAIL_COOKIE_NAPI));
}
