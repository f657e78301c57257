#include "tracer/policy.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>

#include "tracer/bpf/event.h"
#include "tracer/ftrace/functions.h"

namespace skbtrail::tracer {

namespace {

struct Known {
    std::string_view name;
    std::uint32_t roles;
};

// Sorted by subject. Where a kernel lacks one, nothing is lost: a packet's end is also seen where
// its head is used anew, and its fate stays unknown rather than wrong.
constexpr std::array known{
    Known{"__napi_poll", role::root | role::poll},
    // sockets by read() and write() rather than by their own system calls (net/socket.c)
    Known{"sock_read_iter", role::root},
    Known{"sock_write_iter", role::root},
    Known{"sock_splice_read", role::root},
    Known{"sock_sendpage", role::root},
    Known{"sock_close", role::root},
    // into a socket's receive queue; those that may refuse tell the reader when they do not
    Known{"__sock_queue_rcv_skb", role::may_deliver},
    Known{"__udp_enqueue_schedule_skb", role::may_deliver},
    Known{"tcp_queue_rcv", role::delivers},
    Known{"__netlink_sendskb", role::delivers},
    Known{"packet_rcv", role::may_deliver | role::taps},
    Known{"packet_rcv_spkt", role::may_deliver | role::taps},
    Known{"tpacket_rcv", role::may_deliver | role::taps},
    Known{"sock_def_readable", role::wakes},
    Known{"tcp_data_ready", role::wakes},
    Known{"sk_psock_verdict_data_ready", role::wakes},
    Known{"subflow_data_ready", role::wakes},
    // out of it
    Known{"packet_recvmsg", role::taps},
    Known{"skb_copy_datagram_iter", role::reads},
    Known{"skb_copy_and_csum_datagram_msg", role::reads},
    Known{"skb_consume_udp", role::reads},
    Known{"skb_splice_bits", role::reads},
    // giving a reference back
    Known{"kfree_skb_reason", role::drops},
    Known{"sk_skb_reason_drop", role::drops},
    Known{"kfree_skb_list_reason", role::drops},
    Known{"kfree_skb", role::drops},
    Known{"consume_skb", role::consumes},
    Known{"napi_consume_skb", role::consumes},
    Known{"__consume_stateless_skb", role::consumes},
    Known{"dev_kfree_skb_irq_reason", role::drops},
    Known{"dev_kfree_skb_any_reason", role::drops},
    // the life of a head (net/core/skbuff.c)
    Known{"__build_skb_around", role::begins},
    Known{"__finalize_skb_around", role::begins},
    Known{"skb_free_head", role::ends | role::after_end},
    Known{"skb_release_data", role::after_end},
    Known{"kfree_skbmem", role::after_end | role::frees},
    Known{"napi_skb_cache_put", role::after_end | role::frees},
    Known{"skb_kfree_head", role::after_end},
    // skb_release_data tells who sent without a copy
    Known{"msg_zerocopy_complete", role::after_end},
    Known{"msg_zerocopy_callback", role::after_end},
    Known{"napi_skb_free_stolen_head", role::ends | role::after_end},
    Known{"pskb_expand_head", role::expands},
    Known{"skb_copy_header", role::copies},
    Known{"__copy_skb_header", role::copies},
    Known{"skb_gro_receive", role::merges},
    Known{"skb_gro_receive_list", role::merges},
    Known{"skb_segment", role::segments},
    Known{"skb_segment_list", role::segments},
    Known{"skb_clone", role::clones},
    Known{"__skb_clone", role::clones},
    Known{"skb_morph", role::clones},
    Known{"tcp_try_coalesce", role::coalesces},
    Known{"skb_try_coalesce", role::coalesces},
    Known{"kfree_skb_partial", role::absorbs},
    Known{"ip_do_fragment", role::fragments},
    Known{"ip6_fragment", role::fragments},
    Known{"inet_frag_queue_insert", role::collects},
    Known{"inet_frag_reasm_finish", role::reassembles},
    Known{"ip_forward", role::forwards},
    Known{"ip6_forward", role::forwards},
    Known{"__br_forward", role::forwards},
    // from the ring to the stack
    Known{"eth_type_trans", role::arrives},
    // around an interrupt's handler; the second one runs the softirqs that it raised, too
    // (kernel/softirq.c)
    Known{"irq_enter_rcu", role::interrupt_begins},
    Known{"irq_exit_rcu", role::interrupt_ends},
    // those that somebody runs who held them back
    Known{"handle_softirqs", role::interrupt_begins | role::interrupt_ends},
    Known{"__do_softirq", role::interrupt_begins | role::interrupt_ends},
};

// Functions that take a list of sk_buffs by its head (struct list_head *).
constexpr std::array functions_of_lists{
    std::string_view("netif_receive_skb_list"),
    std::string_view("netif_receive_skb_list_internal"),
    std::string_view("__netif_receive_skb_list"),
    std::string_view("__netif_receive_skb_list_core"),
    std::string_view("__netif_receive_skb_list_ptype"),
    std::string_view("ip_list_rcv"),
    std::string_view("ip_list_rcv_finish"),
    std::string_view("ip_sublist_rcv"),
    std::string_view("ip_sublist_rcv_finish"),
    std::string_view("ipv6_list_rcv"),
    std::string_view("ip6_list_rcv_finish"),
    std::string_view("ip6_sublist_rcv"),
    std::string_view("ip6_sublist_rcv_finish"),
};

// Functions whose struct sk_buff ** leads to a packet when they are entered. Many others use such
// a parameter to give one back: what it leads to is not set then.
constexpr std::array pointer_functions{
    std::string_view("__netif_receive_skb_core"), std::string_view("do_xdp_generic"),
    std::string_view("vlan_do_receive"),          std::string_view("skb_pp_cow_data"),
    std::string_view("skb_cow_data_for_xdp"),
};

// Functions whose struct sk_buff * is no packet: the end of a queue, which looks like one.
constexpr std::array marker_functions{
    std::string_view("__skb_wait_for_more_packets"),
    std::string_view("unix_stream_data_wait"),
};

// Functions that are given several sk_buffs linked by skb->next.
constexpr std::array chain_functions{
    std::string_view("dev_hard_start_xmit"), std::string_view("validate_xmit_skb_list"),
    std::string_view("sch_direct_xmit"),     std::string_view("kfree_skb_list_reason"),
    std::string_view("rtnl_kfree_skbs"),
};

// Functions beside whose sk_buff another argument's plain value matters.
struct Extra {
    std::string_view name;
    std::uint32_t argument;
};
constexpr std::array extra_functions{
    Extra{"kfree_skb_partial", 1},       // whether the head was taken
    Extra{"inet_frag_queue_insert", 0},  // the queue
    Extra{"inet_frag_reasm_finish", 0},
};

// Functions that are entered before the fields of their first sk_buff are set, and the argument
// that tells the head it is going to have.
struct Unset {
    std::string_view name;
    std::uint32_t head_argument;
};
constexpr std::array unset_functions{
    Unset{"__build_skb_around", 1},
    Unset{"__finalize_skb_around", 1},
    Unset{"__skb_clone", SKBTRAIL_NO_ARGUMENT},
    Unset{"kmalloc_reserve", SKBTRAIL_NO_ARGUMENT},
};

// Where GRO begins, and where it has found the network header and looks behind it.
constexpr std::array gro_functions{
    std::string_view("dev_gro_receive"),
    std::string_view("inet_gro_receive"),
    std::string_view("ipv6_gro_receive"),
};

// Where every packet that gets there has its headers, on the way in and on the way out.
constexpr std::array headers_done_functions{
    std::string_view("__dev_queue_xmit"),
    std::string_view("dev_hard_start_xmit"),
    std::string_view("__netif_receive_skb_core"),
    // what GRO merges gets no further
    std::string_view("tcp4_gro_receive"),
    std::string_view("tcp6_gro_receive"),
    std::string_view("udp4_gro_receive"),
    std::string_view("udp6_gro_receive"),
    std::string_view("ip_rcv_core"),
    std::string_view("ip6_rcv_core"),
    std::string_view("arp_rcv"),
};

template <typename List>
bool contains(const List& list, std::string_view name) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [name](std::string_view prefix) { return name.starts_with(prefix); });
}

bool is_socket_system_call(std::string_view name) {
    if (!starts_with_any(name, {"__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_", "__arm64_sys_"}))
        return false;
    const auto call = name.substr(name.find("sys_") + 4);
    constexpr std::array calls{
        std::string_view("socket"),
        std::string_view("socketpair"),
        std::string_view("bind"),
        std::string_view("listen"),
        std::string_view("accept"),
        std::string_view("accept4"),
        std::string_view("connect"),
        std::string_view("getsockname"),
        std::string_view("getpeername"),
        std::string_view("sendto"),
        std::string_view("send"),
        std::string_view("recvfrom"),
        std::string_view("recv"),
        std::string_view("setsockopt"),
        std::string_view("getsockopt"),
        std::string_view("shutdown"),
        std::string_view("sendmsg"),
        std::string_view("sendmmsg"),
        std::string_view("recvmsg"),
        std::string_view("recvmmsg"),
        std::string_view("recvmmsg_time64"),
        std::string_view("socketcall"),
    };
    return contains(calls, call);
}

/// A value that a function is given and that matters, though it is no sk_buff.
struct PlainValue {
    std::uint32_t argument = SKBTRAIL_NO_ARGUMENT;
    std::uint32_t role = 0;
};

/// Finds it by the function's prototype, so a function of that name elsewhere is not meant.
PlainValue plain_value_of(std::string_view base, const Signature& signature) {
    const auto& parameters = signature.parameters;
    const auto begins_with = [&parameters](std::initializer_list<Parameter> wanted) {
        return parameters.size() >= wanted.size() &&
               std::equal(wanted.begin(), wanted.end(), parameters.begin());
    };
    // receive_buf(vi, rq, buf, len, …) of virtio_net
    if (base == "receive_buf" &&
        begins_with({Parameter::other, Parameter::queue, Parameter::other})) {
        return {2, role::takes_buffer};
    }
    if (!begins_with({Parameter::napi, Parameter::other}) || parameters.size() != 2) return {};
    if (base == "napi_complete_done") return {1, role::has_work};
    // int (*poll)(struct napi_struct *, int budget)
    if (base.ends_with("_poll") && base != "__napi_poll") return {1, role::has_budget};
    return {};
}

/// The argument that is the socket which a function delivers to, reads from or wakes.
std::uint32_t socket_argument(std::uint32_t roles, const Signature& signature) {
    constexpr auto concerned = role::delivers | role::may_deliver | role::reads | role::wakes;
    if ((roles & concerned) == 0) return SKBTRAIL_NO_ARGUMENT;
    const auto& parameters = signature.parameters;
    // Behind a structure by value places are not numbers of arguments any more.
    for (std::uint32_t i = 0; i < parameters.size() && i < 6; ++i) {
        if (parameters[i] == Parameter::wide || parameters[i] == Parameter::in_memory) break;
        if (parameters[i] == Parameter::sock) return i;
    }
    return SKBTRAIL_NO_ARGUMENT;
}

/// A function whose parameters the compiler changed in a way that its name does not tell.
bool is_fragment(std::string_view name) {
    return name.find(".part.") != std::string_view::npos ||
           name.find(".cold") != std::string_view::npos;
}

/// Called while a packet is being built: its headers may be announced and not yet written.
bool is_building(std::string_view base) {
    return starts_with_any(base, {"skb_put", "skb_push", "__skb_put", "pskb_put", "__pskb_pull",
                                  "skb_set_owner", "__alloc_skb", "__build_skb"}) ||
           base.ends_with("_getfrag");
}

}  // namespace

bool is_tracing_stub(std::string_view name) {
    return starts_with_any(name,
                           {"__traceiter_", "__probestub_", "perf_trace_", "trace_event_raw_event_",
                            "trace_raw_output_", "__bpf_trace_", "trace_event_get_offsets_"});
}

bool is_above_roots(std::string_view name) {
    constexpr std::array above{
        std::string_view("net_rx_action"),
        std::string_view("napi_threaded_poll"),
        std::string_view("napi_threaded_poll_loop"),
        std::string_view("process_backlog_thread"),
        std::string_view("run_backlog_napi"),
        std::string_view("net_rps_action_and_irq_enable"),
    };
    return contains(above, name);
}

bool is_helper(std::string_view name) {
    if (is_fragment(name) && name.find(".cold") != std::string_view::npos) return false;
    if ((roles_of(name, nullptr) & role::around_interrupts) != 0) {
        return true;
    }
    return starts_with_any(name, {"virtqueue_",
                                  "__virtqueue_",
                                  "vring_",
                                  "__vring_",
                                  "detach_buf_",
                                  "more_used",
                                  "vp_notify",
                                  "vp_interrupt",
                                  "vp_vring_interrupt",
                                  "vp_config_changed",
                                  "dma_map_page",
                                  "dma_unmap_page",
                                  "dma_map_sg",
                                  "dma_unmap_sg",
                                  "__dma_map_sg",
                                  "__dma_sync_",
                                  "dma_sync_single",
                                  "dma_direct_map",
                                  "dma_direct_unmap",
                                  "dma_direct_sync",
                                  "swiotlb_map",
                                  "swiotlb_sync",
                                  "swiotlb_tbl",
                                  "skb_",
                                  "napi_",
                                  "csum_partial",
                                  "csum_and_copy",
                                  "_copy_to_iter",
                                  "_copy_from_iter",
                                  "_copy_from_iter_full",
                                  "copy_page_to_iter",
                                  "copy_page_from_iter",
                                  "irq_poll_"});
}

bool is_behind_net_text(std::string_view name) {
    return starts_with_any(name, {"pcibios_", "pci_", "xen_pci"});
}

std::uint32_t roles_of(std::string_view name, const Signature* signature) {
    std::uint32_t roles = 0;
    const auto base = without_suffix(name);
    for (const auto& entry : known) {
        if (entry.name == base) roles |= entry.roles;
    }
    if (is_socket_system_call(name)) roles |= role::root;
    if (signature != nullptr) roles |= plain_value_of(base, *signature).role;
    if (signature != nullptr && signature->transmits) roles |= role::transmits;
    if (signature != nullptr && socket_argument(roles, *signature) != SKBTRAIL_NO_ARGUMENT) {
        roles |= role::has_socket;
    }
    return roles;
}

std::optional<std::uint32_t> cookie_of(std::string_view name, const Signature* signature) {
    const auto base = without_suffix(name);
    const bool root = (roles_of(name, nullptr) & role::root) != 0;
    if (is_fragment(name) || contains(marker_functions, base)) return std::nullopt;

    std::uint32_t argument = SKBTRAIL_NO_ARGUMENT;
    std::uint32_t shape = SKBTRAIL_SHAPE_SKB;
    std::uint32_t second = SKBTRAIL_NO_ARGUMENT;
    std::uint32_t extra = SKBTRAIL_NO_ARGUMENT;
    const bool takes_list = contains(functions_of_lists, base);
    const bool takes_pointer = contains(pointer_functions, base);
    if (signature != nullptr) {
        std::uint32_t place = 0;  // in the order of registers and stack
        for (const auto parameter : signature->parameters) {
            if (parameter == Parameter::in_memory) continue;
            const auto here = place;
            place += parameter == Parameter::wide ? 2 : 1;
            if (here >= SKBTRAIL_NO_ARGUMENT) break;
            const bool first_free = argument == SKBTRAIL_NO_ARGUMENT;
            if (parameter == Parameter::skb) {
                if (first_free) {
                    argument = here;
                } else if (second == SKBTRAIL_NO_ARGUMENT) {
                    second = here;
                }
            } else if (parameter == Parameter::list && takes_list && first_free) {
                argument = here;
                shape = SKBTRAIL_SHAPE_LIST;
            } else if (parameter == Parameter::skb_pointer && takes_pointer && first_free) {
                argument = here;
                shape = SKBTRAIL_SHAPE_SKB_POINTER;
            } else if (parameter == Parameter::drop_reason && extra == SKBTRAIL_NO_ARGUMENT) {
                extra = here;
            }
        }
    } else if (base == "__netif_receive_skb_core") {
        // GCC drops a parameter of it in some builds; BTF then does not describe what is left. The
        // first one stays, and what it leads to is read with care.
        argument = 0;
        shape = SKBTRAIL_SHAPE_SKB_POINTER;
    }
    std::uint32_t flags = root ? SKBTRAIL_COOKIE_CONTEXT : 0;
    if (argument == SKBTRAIL_NO_ARGUMENT) {
        if (signature != nullptr) {
            extra = plain_value_of(base, *signature).argument;
            if (base == "__napi_poll" && !signature->parameters.empty() &&
                signature->parameters[0] == Parameter::napi) {
                extra = 0;
                flags |= SKBTRAIL_COOKIE_NAPI;
            }
        }
        if (signature != nullptr && extra == SKBTRAIL_NO_ARGUMENT) {
            extra = socket_argument(roles_of(name, nullptr), *signature);
            if (extra != SKBTRAIL_NO_ARGUMENT) flags |= SKBTRAIL_COOKIE_SOCKET;
        }
        if (!root && extra == SKBTRAIL_NO_ARGUMENT) return std::nullopt;
    } else {
        if (shape == SKBTRAIL_SHAPE_SKB && contains(chain_functions, base)) {
            shape = SKBTRAIL_SHAPE_CHAIN;
            // The end of them, which points to freed memory where there are none (rtnl_kfree_skbs).
            second = SKBTRAIL_NO_ARGUMENT;
        }
        for (const auto& unset : unset_functions) {
            if (unset.name != base) continue;
            flags |= SKBTRAIL_COOKIE_UNSET;
            extra = unset.head_argument;
        }
        for (const auto& one : extra_functions) {
            if (one.name == base) extra = one.argument;
        }
        if (signature != nullptr && extra == SKBTRAIL_NO_ARGUMENT) {
            extra = socket_argument(roles_of(name, nullptr), *signature);
            if (extra != SKBTRAIL_NO_ARGUMENT) flags |= SKBTRAIL_COOKIE_SOCKET;
        }
        if (contains(headers_done_functions, base)) flags |= SKBTRAIL_COOKIE_HEADERS_DONE;
        if (contains(gro_functions, base)) flags |= SKBTRAIL_COOKIE_GRO;
        if (is_building(base)) flags |= SKBTRAIL_COOKIE_HEADERS_OPEN;
        if (base == "skb_release_data") flags |= SKBTRAIL_COOKIE_RELEASES;
        const auto roles = roles_of(name, signature);
        if ((roles & role::expands) != 0) flags |= SKBTRAIL_COOKIE_EXPANDS;
        if ((roles & role::copies) != 0) flags |= SKBTRAIL_COOKIE_COPIES;
        if ((roles & role::frees) != 0) flags |= SKBTRAIL_COOKIE_FREES;
        if ((roles & role::ends) != 0) flags |= SKBTRAIL_COOKIE_ENDS;
        // The one that releases it is still of the living packet.
        if ((roles & role::after_end) != 0 && (flags & SKBTRAIL_COOKIE_RELEASES) == 0) {
            flags |= SKBTRAIL_COOKIE_AFTER_END;
        }
    }
    return argument | shape << 4U | second << 8U | extra << 12U | flags;
}

}  // namespace skbtrail::tracer
