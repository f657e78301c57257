// The input of the fuzzer `recordings`: pages and events as a kernel would hand them over, whole or
// said briefly. Written by the seeds, read by the fuzzer.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace skbtrail::hostile {

/// What comes next: a byte, and what belongs to it.
enum class RecordingStep : std::uint8_t {
    page,   ///< cpu (8 bits), size (16 bits), the bytes of a page
    event,  ///< size (16 bits), the bytes of an event of the BPF program
    enter,  ///< BriefCall: a call is entered
    leave,  ///< BriefCall: a call returns
    sight,  ///< BriefSight: an sk_buff is seen at the call that was entered last
};
inline constexpr std::uint8_t recording_steps = 5;

struct BriefCall {
    std::uint8_t function = 0;  ///< in recording_functions
    std::uint8_t cpu = 0;
    std::uint8_t pid = 0;
    std::uint8_t depth = 0;
    std::uint8_t flags = 0;
};

struct BriefSight {
    std::uint8_t function = 0;
    std::uint8_t cpu = 0;
    std::uint8_t pid = 0;
    std::uint8_t skb = 0;   ///< one of few addresses; 0: none
    std::uint8_t head = 0;  ///< the same
    std::uint8_t argument = 0;
    std::uint8_t flags = 0;  ///< SKBTRAIL_EVENT_…
    std::uint8_t users = 0;
    std::uint8_t extra = 0;
    std::uint8_t len = 0;
    std::uint8_t more = 0;  ///< not 0: of the same call as the sight before
};

/// The functions that the fuzzed recording knows: those that mean something to the collector.
inline constexpr std::array<std::string_view, 43> recording_functions{
    "__napi_poll",
    "receive_buf",
    "eth_type_trans",
    "__build_skb_around",
    "skb_put",
    "ip_rcv_core",
    "ip_forward",
    "ip_do_fragment",
    "ip_frag_next",
    "ip_finish_output2",
    "start_xmit",
    "inet_frag_queue_insert",
    "inet_frag_reasm_finish",
    "tcp_try_coalesce",
    "skb_try_coalesce",
    "kfree_skb_partial",
    "tcp_queue_rcv",
    "skb_gro_receive",
    "napi_skb_free_stolen_head",
    "skb_clone",
    "__skb_clone",
    "__copy_skb_header",
    "skb_copy_header",
    "skb_segment",
    "pskb_expand_head",
    "kmalloc_reserve",
    "packet_rcv",
    "tpacket_rcv",
    "packet_recvmsg",
    "sock_def_readable",
    "__udp_enqueue_schedule_skb",
    "__sock_queue_rcv_skb",
    "skb_consume_udp",
    "skb_copy_datagram_iter",
    "consume_skb",
    "sk_skb_reason_drop",
    "kfree_skbmem",
    "skb_release_data",
    "skb_free_head",
    "__x64_sys_sendto",
    "irq_enter_rcu",
    "irq_exit_rcu",
    "handle_softirqs",
};

/// The number of a function; its name has to be among them.
constexpr std::uint8_t recording_function(std::string_view name) {
    for (std::uint8_t i = 0; i < recording_functions.size(); ++i) {
        if (recording_functions[i] == name) return i;
    }
    throw "no such function";
}

}  // namespace skbtrail::hostile
