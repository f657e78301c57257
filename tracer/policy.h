// Which functions are watched and what each means for a packet. Everything that is known of single
// kernel functions by name is here; how they are attached and merged knows no names.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tracer/signature.h"

namespace skbtrail::tracer {

/// What a function means to the collector: bits of PlannedFunction::roles.
namespace role {
inline constexpr std::uint32_t root = 1U << 0U;       ///< a chain begins here, always
inline constexpr std::uint32_t poll = 1U << 1U;       ///< __napi_poll: cut out of any chain
inline constexpr std::uint32_t transmits = 1U << 2U;  ///< hands the packet to a device
inline constexpr std::uint32_t delivers = 1U << 3U;   ///< puts the packet into a socket's queue
inline constexpr std::uint32_t drops = 1U << 4U;      ///< drops a reference for a reason
inline constexpr std::uint32_t consumes = 1U << 5U;   ///< drops a reference; the work was done
inline constexpr std::uint32_t begins = 1U << 6U;     ///< puts a new head into an sk_buff
inline constexpr std::uint32_t ends = 1U << 7U;       ///< gives the head back, whoever holds it
inline constexpr std::uint32_t after_end = 1U << 8U;  ///< may still see the head given back
inline constexpr std::uint32_t expands = 1U << 9U;    ///< moves the packet to a new head
/// Argument 0 is made from argument 1.
inline constexpr std::uint32_t copies = 1U << 10U;
inline constexpr std::uint32_t segments = 1U << 11U;  ///< copies made below it are segments
/// The second sk_buff goes into the first one, which grows, if it succeeds.
inline constexpr std::uint32_t merges = 1U << 12U;
inline constexpr std::uint32_t frees = 1U << 13U;        ///< gives the struct sk_buff itself back
inline constexpr std::uint32_t may_deliver = 1U << 14U;  ///< delivers if it wakes the reader
inline constexpr std::uint32_t wakes = 1U << 15U;        ///< tells a socket's reader of new data
/// Takes a receive buffer from the ring: the event's extra value is its address.
inline constexpr std::uint32_t takes_buffer = 1U << 16U;
/// The driver hands the sk_buff over that it made of a receive buffer.
inline constexpr std::uint32_t arrives = 1U << 17U;
/// A driver's poll: the extra value is its budget.
inline constexpr std::uint32_t has_budget = 1U << 18U;
/// Ends a poll: the extra value is the number of packets that it received.
inline constexpr std::uint32_t has_work = 1U << 19U;
inline constexpr std::uint32_t clones = 1U << 20U;  ///< copies of headers made below it are clones
/// A process reads from the sk_buff, or is done with reading it.
inline constexpr std::uint32_t reads = 1U << 21U;
/// The second sk_buff's data go into the first one, if it succeeds; `absorbs` follows then.
inline constexpr std::uint32_t coalesces = 1U << 22U;
/// Frees an sk_buff whose data another one has now. The extra value tells whether its head went
/// there, too.
inline constexpr std::uint32_t absorbs = 1U << 23U;
/// Cuts a packet: the others that are given to what it calls are the pieces.
inline constexpr std::uint32_t fragments = 1U << 24U;
/// Puts a fragment into a queue, whose address is the extra value.
inline constexpr std::uint32_t collects = 1U << 25U;
/// Makes one packet, its sk_buff's, of the queue whose address is the extra value.
inline constexpr std::uint32_t reassembles = 1U << 26U;
/// Sends a packet on that came in.
inline constexpr std::uint32_t forwards = 1U << 27U;
/// Shows a packet to a packet socket, or that socket to a reader; others go on with the packet.
inline constexpr std::uint32_t taps = 1U << 28U;
/// The extra value is the inode number of a socket.
inline constexpr std::uint32_t has_socket = 1U << 29U;
/// An interrupt, or softirqs, begin to be handled; that is over when the function with
/// `interrupt_ends` returns. They tell the time that this takes from calls, and are no part of a
/// packet's way.
inline constexpr std::uint32_t interrupt_begins = 1U << 30U;
inline constexpr std::uint32_t interrupt_ends = 1U << 31U;
inline constexpr std::uint32_t around_interrupts = interrupt_begins | interrupt_ends;
}  // namespace role

/// A tracepoint's stub or handler: says nothing about a packet's way.
bool is_tracing_stub(std::string_view name);

/// A function above the roots, which would only put a frame around every chain.
bool is_above_roots(std::string_view name);

/// A function outside net/ that belongs to a packet's way: rings, DMA, NAPI, copying.
bool is_helper(std::string_view name);

/// The roles of a function. `signature` may be null.
std::uint32_t roles_of(std::string_view name, const Signature* signature);

/// How the BPF program finds the sk_buffs of a function (event.h); nothing when it takes none and
/// is no root. `signature` is null when BTF does not describe the function.
std::optional<std::uint32_t> cookie_of(std::string_view name, const Signature* signature);

/// True for a function that most packets pass, or that decides who is who: where each probe costs
/// much, these get one. `module`: it is in a module in use, which on a small machine is its driver.
bool is_core(std::string_view name, bool module);

/// The first function of net/'s text, and those that must lie in the same range for it to be
/// believed.
inline constexpr std::string_view net_text_first = "netdev_devres_match";
inline constexpr std::string_view net_text_anchors[] = {
    "__napi_poll", "sock_def_readable", "ip_local_deliver", "tcp_v4_rcv", "dev_hard_start_xmit"};
/// True for the first function behind net/'s text: the x86 PCI code, which is linked next.
bool is_behind_net_text(std::string_view name);

}  // namespace skbtrail::tracer
