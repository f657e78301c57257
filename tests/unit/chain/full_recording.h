// A recording that has everything.
#pragma once

#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "tests/unit/recording_builder.h"
#include "tracer/chain/recording.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::test {

/// A recording in which every member has a value of its own.
inline chain::Recording full_recording() {
    test::RecordingBuilder builder;
    builder.packet(1, {{"icmp.type", "echo-request"}}, "a \"ping\" é \t")
        .packet(7)
        .edge(1, "clone", 7)
        .chain(call("__x64_sys_sendto", {call("raw_sendmsg.isra.0").skb(1, 18).on_cpu(3)}), 2,
               chain::Context::task)
        .chain(call("__napi_poll", {call("x").skb(7).in_module("virtio_net").incomplete("why")}));
    chain::Recording recording = builder.build();
    chain::Observed& observed = recording.observed;
    observed.kernel_build_id = "abcd";
    observed.clock = "boot";
    observed.started = -5;
    observed.ended = 5'000'000'000'000;
    observed.command = {"ping", "-c", "1"};
    observed.exit_status = 130;
    observed.page_offset = 0xffff888000000000;
    observed.tree_method = "function_graph";
    observed.identity_method = "kprobe.multi";
    observed.calibration = {"the kernel has no FPROBE"};
    observed.interfaces = {{"eth0", 2, "52:54:00:12:34:56", 1500, "virtio_net", {"mrg_rxbuf"}}};
    observed.probed = {"ip_rcv"};
    observed.unavailable = {{"ip_rcv_core", "inlined"}};
    observed.config = {{"CONFIG_NETFILTER", "m"}};
    observed.host = {{"lab", "ping-receive"}};
    recording.losses.push_back({"probe_missed", std::nullopt, 1ULL << 62U, "missed", "ip_rcv"});
    recording.packets[0].fate = {"dropped", "sk_skb_reason_drop", "NO_SOCKET"};
    recording.packets[0].fates = {
        recording.packets[0].fate,
        {"delivered", "packet_rcv", "", {}, 448, 127, "tcpdump", 0xffff888000a00100},
        {"merged", "skb_gro_receive", "", 1},
        {"transmitted", "start_xmit", "", {}, 0, {}, "", 0xffff888000a00200, 1, 3}};
    recording.packets[0].edges.push_back({"clone", 1, "skb_clone", 0xffff888000a00100});
    recording.chains[1].nested_in = chain::NestedIn{1, "__local_bh_enable_ip"};
    recording.chains[1].context = chain::Context::hardirq;
    chain::SkbGeometry& skb = recording.chains[0].root.calls[0].skbs[0];
    skb.argument = 2;
    skb.data_len = 1448;
    skb.mac_header = 64;
    skb.network_header = 78;
    skb.transport_header = 98;
    skb.users = 2;
    skb.cloned = true;
    skb.netns = 4026531840;
    skb.sock = 0xffff888001234000;
    skb.queue = 3;
    skb.vlan = 42;
    skb.mark = 0xffffffff;
    skb.hash = 0xdeadbeef;
    skb.timestamp = 1'790'000'000'123'456'789;
    skb.ip_summed = "partial";
    skb.frags = 17;
    skb.gso_size = 1448;
    skb.gso_segs = 45;
    skb.gso_type = "tcpv4 dodgy";
    recording.chains[0].root.duration.reset();
    recording.chains[0].root.calls[0].interrupted = 12;
    recording.chains[0].root.calls[0].inlined = {"outer", "inner"};
    recording.chains[0].root.calls[0].tail_call = true;
    recording.chains[0].root.budget = 64;
    recording.chains[0].root.napi = 8193;
    recording.chains[0].root.work = 3;
    recording.packets[0].fate.nic = 1;
    recording.packets[0].arrived_in = 0xffff888005958c00;
    recording.ring_events.push_back({1,
                                     42,
                                     1,
                                     "available",
                                     65535,
                                     3,
                                     110,
                                     {{0x4001006, 12, false, true}, {0x1, 2, true}},
                                     1,
                                     "why",
                                     chain::IndirectTable{0x4002000, 32, 2},
                                     1});
    return recording;
}

/// What is in its file.
inline std::string text_of(const chain::Recording& recording) {
    std::ostringstream text;
    chain::write_json(recording, text);
    return std::move(text).str();
}

}  // namespace skbtrail::test
