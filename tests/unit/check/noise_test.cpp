#include "labs/check/noise.h"

#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tracer/chain/format_error.h"

using namespace skbtrail;

TEST_CASE("each kind of noise has a name, a reason and functions, named once") {
    std::set<std::string> globs;
    for (const labs::NoiseGroup& group : labs::named_noise()) {
        INFO(group.name);
        CHECK_FALSE(group.name.empty());
        CHECK(group.reason.size() > 20);
        CHECK_FALSE(group.calls.empty());
        for (const std::string& glob : group.calls) {
            INFO(glob);
            CHECK(globs.insert(glob).second);
        }
    }
}

TEST_CASE("what says nothing about a path is noise") {
    const labs::NoiseFilter filter;
    const std::string name = GENERATE(
        "_raw_spin_lock_bh", "__rcu_read_unlock", "kmem_cache_alloc_node_noprof", "kfree",
        "mod_timer", "__wake_up_sync_key", "__local_bh_enable_ip", "security_socket_sendmsg",
        "obj_cgroup_charge", "ktime_get_with_offset", "siphash_1u64", "__slab_free.isra.0");
    INFO(name);
    CHECK(filter.is_noise(name));
}

TEST_CASE("no station of a packet is noise") {
    const labs::NoiseFilter filter;
    const std::string name = GENERATE(
        "skb_recv_done", "napi_schedule", "net_rx_action", "__napi_poll", "virtnet_poll",
        "page_to_skb", "napi_alloc_skb", "build_skb", "__build_skb_around", "skb_put", "skb_push",
        "skb_pull", "skb_reserve", "alloc_skb_with_frags", "__alloc_skb", "eth_type_trans",
        "napi_gro_receive", "dev_gro_receive", "inet_gro_receive", "tcp4_gro_receive",
        "netif_receive_skb_list_internal", "__netif_receive_skb_core", "ip_rcv", "ip_list_rcv",
        "ip_rcv_core", "ip_rcv_finish_core", "ipv6_rcv", "arp_rcv", "nf_hook_slow",
        "ip_local_deliver", "ip_protocol_deliver_rcu", "tcp_v4_rcv", "udp_rcv", "icmp_rcv",
        "raw_rcv", "raw_local_deliver", "ping_rcv", "icmp_echo", "icmp_reply", "icmp_push_reply",
        "sock_def_readable", "sock_queue_rcv_skb_reason", "__sock_queue_rcv_skb", "sock_sendmsg",
        "tcp_sendmsg", "lock_sock_nested", "release_sock", "tcp_add_backlog", "raw_sendmsg",
        "ping_v4_sendmsg", "__ip_queue_xmit", "ip_push_pending_frames", "ip_send_skb",
        "ip_local_out", "ip_output", "ip_finish_output2", "neigh_resolve_output", "neigh_hh_output",
        "__dev_queue_xmit", "sch_direct_xmit", "fq_codel_enqueue", "dev_hard_start_xmit",
        "start_xmit", "skb_to_sgvec", "virtqueue_add_outbuf", "virtqueue_kick_prepare",
        "virtqueue_notify", "free_old_xmit", "napi_consume_skb", "dql_completed", "consume_skb",
        "kfree_skb_reason", "sk_skb_reason_drop", "kfree_skbmem", "skb_release_data",
        "skb_free_head", "skb_clone", "pskb_expand_head", "skb_copy_datagram_iter",
        "__skb_recv_udp", "ip_route_output_flow", "fib_table_lookup", "dst_release",
        "napi_complete_done", "virtqueue_get_buf_ctx", "virtqueue_enable_cb_delayed",
        "dma_map_page_attrs", "nf_conntrack_in", "ct_sip_parse_request", "inet_sendmsg",
        "sock_alloc_send_pskb", "skb_set_owner_w", "sock_wfree", "kfree_skb_partial",
        "skb_page_frag_refill", "copy_skb_header", "rps_trigger_softirq");
    INFO(name);
    CHECK_FALSE(filter.is_noise(name));
}

TEST_CASE("a list of noise that is none is refused") {
    CHECK_THROWS_MATCHES(
        labs::parse_noise(R"({"format":"skbtrail-noise","version":1,"groups":[{"name":"a"}]})"),
        chain::FormatError,
        Catch::Matchers::MessageMatches(
            Catch::Matchers::ContainsSubstring("/groups/0: the member \"reason\" is missing")));
}
