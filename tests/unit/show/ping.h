// An echo and its reply on 6.12, shortened: what the golden tests show.
#pragma once

#include "tests/unit/recording_builder.h"

namespace skbtrail::test {

inline chain::Recording ping_recording() {
    RecordingBuilder builder;
    builder
        .packet(1, {{"icmp.type", "echo-request"}, {"ip.destination", "10.0.2.2"}},
                "ICMP echo request 10.0.2.15 > 10.0.2.2 id 1 seq 0")
        .packet(2, {{"icmp.type", "echo-reply"}, {"ip.destination", "10.0.2.15"}},
                "ICMP echo reply 10.0.2.2 > 10.0.2.15 id 1 seq 0");
    builder.chain(
        call("__x64_sys_sendto",
             {call("__sys_sendto",
                   {call("security_socket_sendmsg"),
                    call("raw_sendmsg",
                         {call("ip_route_output_flow", {call("fib_table_lookup")}),
                          call("ip_push_pending_frames",
                               {call("ip_output",
                                     {call("__dev_queue_xmit",
                                           {call("_raw_spin_lock"),
                                            call("start_xmit", {call("skb_to_sgvec").skb(1, 6, 110),
                                                                call("virtqueue_add_outbuf"),
                                                                call("virtqueue_notify")})
                                                .skb(1, 18, 98)
                                                .in_module("virtio_net")})
                                          .skb(1, 18, 98)})
                                    .skb(1, 32, 84)})})})}),
        0, chain::Context::task);
    builder.chain(call(
        "__napi_poll",
        {call("virtnet_poll",
              {call("receive_buf", {call("page_to_skb", {call("skb_put").skb(2, 64, 0)}),
                                    call("eth_type_trans").skb(2, 64, 98),
                                    call("napi_gro_receive").skb(2, 78, 84)})
                   .in_module("virtio_net"),
               call("virtqueue_get_buf_ctx"), call("virtqueue_get_buf_ctx"),
               call("napi_complete_done",
                    {call("netif_receive_skb_list_internal",
                          {call("ip_list_rcv",
                                {call("raw_rcv", {call("sock_def_readable", {call("__wake_up")})})
                                     .skb(2, 78, 84)
                                     .on_cpu(1)})})})})
             .in_module("virtio_net")}));
    auto& raw = builder.raw();
    raw.chains[1].nested_in = chain::NestedIn{1, "__local_bh_enable_ip"};
    raw.ring_events.push_back({1,
                               5000,
                               1,
                               "available",
                               4,
                               7,
                               110,
                               {{0x4001006, 12, false, true}, {0x4001012, 98, false}},
                               1,
                               "",
                               chain::IndirectTable{0x4005000, 32, 2}});
    raw.ring_events.push_back({2, 6000, 1, "kick", {}, {}, {}, {}, 1, ""});
    raw.ring_events.push_back({3, 9000, 0, "used", 9, 3, 110, {{0x4002034, 1536, true}}, 2, ""});
    raw.packets[1].fate = {"delivered", "raw_rcv", ""};
    raw.packets[0].fate = {"transmitted", "start_xmit", ""};
    raw.observed.started = 1'000'000;
    raw.observed.ended = 3'000'000;
    raw.observed.command = {"ping", "-c1", "10.0.2.2"};
    raw.observed.tree_method = "function_graph";
    raw.observed.identity_method = "kprobe.multi";
    raw.observed.host = {{"lab", "ping-receive"}, {"accelerator", "tcg"}};
    raw.observed.interfaces.push_back(
        {"eth0", 2, "52:54:00:12:34:56", 1500, "virtio_net", {"mrg_rxbuf", "version_1"}});
    return builder.build();
}

}  // namespace skbtrail::test
