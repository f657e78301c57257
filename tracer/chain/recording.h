// The recording: what a kernel did with some packets, as nested call chains, and what the NIC did
// with the descriptors that carried them. It is the one thing that the collector, the checker, the
// viewer and the user share, and it is complete by itself: it can be judged and shown on a machine
// that has neither QEMU nor the kernel.
//
// The JSON form is described by recording.schema.json beside this file; recording_json.h converts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace skbtrail::chain {

/// An address in the observed kernel or in guest-physical memory. In JSON a string "0x…", because
/// a JSON number loses bits above 2^53 in many readers.
using Address = std::uint64_t;
/// Nanoseconds on the clock that Observed::clock names.
using Nanoseconds = std::int64_t;
using PacketId = std::uint32_t;
using ChainId = std::uint32_t;

/// The format's version. A reader accepts this one only, and says so of a newer one.
inline constexpr int recording_version = 1;

/// Where one sk_buff stood when a function was entered that takes it. Offsets are bytes from
/// `head`, as include/linux/skbuff.h draws them.
struct SkbGeometry {
    unsigned argument = 0;  ///< which argument of the function it is, from 0
    std::optional<PacketId> packet;
    Address address = 0;                          ///< the struct sk_buff itself
    Address head = 0;                             ///< start of the linear buffer
    std::int64_t data = 0;                        ///< data - head
    std::int64_t tail = 0;                        ///< tail, as an offset from head
    std::int64_t end = 0;                         ///< end, as an offset from head
    std::uint32_t len = 0;                        ///< linear and paged bytes together
    std::uint32_t data_len = 0;                   ///< paged bytes
    std::uint16_t protocol = 0;                   ///< ethertype in host order; 0 where not set yet
    std::optional<std::uint16_t> mac_header;      ///< offset from head; absent while not set
    std::optional<std::uint16_t> network_header;  ///< offset from head
    std::optional<std::uint16_t> transport_header;  ///< offset from head; absent while not set
    std::uint32_t users = 0;                        ///< reference count
    bool cloned = false;
    std::uint32_t device = 0;  ///< ifindex of skb->dev; 0 without one
    std::uint32_t netns = 0;   ///< inode of the network namespace it is in; 0: not known
    Address sock = 0;          ///< the struct sock that owns it; 0 without one
    std::uint16_t queue = 0;   ///< skb->queue_mapping
    /// VLAN tag beside the data (id, priority and all: 16 bits as on the wire); absent without one.
    std::optional<std::uint16_t> vlan;
    std::uint32_t mark = 0;
    std::uint32_t hash = 0;
    /// skb->tstamp: of what came in when that was, by the wall clock, if anybody wanted to know; of
    /// what goes out when it may, by the clock of its sender. 0: none.
    Nanoseconds timestamp = 0;
    /// What is known of its checksum: none, unnecessary, complete, partial (CHECKSUM_…).
    std::string ip_summed = "none";
    /// Of the buffer's end (struct skb_shared_info); absent where it could not be read.
    std::optional<std::uint32_t> frags;  ///< pages attached
    std::uint32_t gso_size = 0;  ///< payload bytes of each segment to be; 0: no segmentation
    std::uint32_t gso_segs = 0;  ///< segments to be
    std::string gso_type;        ///< how: "tcpv4", "tcpv6 dodgy", … (SKB_GSO_…)
};

/// One call of one kernel function.
struct Call {
    std::string function;  ///< with the compiler's suffix (.isra.0, …), as kallsyms has it
    std::string module;    ///< empty: the kernel's own text
    /// The functions between its caller and it that the compiler inlined, outermost first; empty
    /// also where no debug information told.
    std::vector<std::string> inlined;
    bool tail_call = false;  ///< its caller jumped to it and had nothing left to do; likewise
    Nanoseconds start = 0;
    std::optional<Nanoseconds> duration;  ///< absent: the return was not seen
    Nanoseconds interrupted = 0;  ///< part of the duration that interrupts took, softirqs included
    std::optional<unsigned> cpu;  ///< only where it differs from the chain's
    std::optional<std::uint32_t> napi;    ///< of __napi_poll: the NAPI instance's id
    std::optional<std::uint32_t> budget;  ///< of a driver's poll: packets it may receive
    std::optional<std::uint32_t> work;    ///< of a poll's end: packets it received
    std::vector<SkbGeometry> skbs;        ///< the sk_buffs it was given
    std::string incomplete;   ///< why calls below may be missing; empty: they are all there
    std::vector<Call> calls;  ///< what it called, in order
};

/// How long the call itself took, with all that it called and without what interrupted it; nothing
/// where its return was not seen.
inline std::optional<Nanoseconds> uninterrupted(const Call& call) {
    if (!call.duration) return std::nullopt;
    return *call.duration - call.interrupted;
}

/// What a CPU was doing when a chain began.
enum class Context : std::uint8_t { task, softirq, hardirq };

/// Where a chain was cut out of another one: it ran inside that call (a softirq in the sender's
/// own context, an interrupt).
struct NestedIn {
    ChainId chain = 0;
    std::string function;
};

/// A tree of calls below one root: `__napi_poll`, or the entry of a system call.
struct Chain {
    ChainId id = 0;
    unsigned cpu = 0;
    Context context = Context::task;
    std::uint32_t pid = 0;  ///< thread that the CPU was running, also under an interrupt
    std::string comm;
    std::optional<NestedIn> nested_in;
    Call root;
};

/// How a packet came to be, or what became of one. It stands at the packet that is
///  - made of another: `copy`, `segment`, `fragment` (a piece of it), `expand_head` (moved from
///  it);
///  - put into another: `gro_merge`, `coalesce`, `reassemble`;
///  - itself, with another sk_buff: `clone`; or on another way: `forward`.
struct PacketEdge {
    std::string kind;
    PacketId packet = 0;        ///< the other packet; of a clone and a forward the same one
    std::string function = {};  ///< where that was seen
    Address skb = 0;            ///< of a clone: the sk_buff that was made; else 0
};

/// What became of a packet, or of one sk_buff that held it.
struct Fate {
    /// delivered, transmitted, dropped, merged, moved (to another head), consumed, queued (it was
    /// still in the kernel when the recording ended) or unknown
    std::string kind = "unknown";
    std::string function = {};          ///< where it was seen
    std::string reason = {};            ///< the kernel's drop reason, where there is one
    std::optional<PacketId> into = {};  ///< merged, moved: the packet that has its data now
    std::uint64_t socket = 0;           ///< delivered: inode number of the socket; 0: not known
    std::optional<std::uint32_t> pid =
        {};                 ///< delivered: the thread that read it; absent: nobody did
    std::string comm = {};  ///< its name
    Address skb = 0;        ///< the sk_buff
    /// transmitted: the virtqueue and the head descriptor that the NIC saw it in; absent: not known
    std::optional<unsigned> queue = {};
    std::optional<unsigned> descriptor = {};
    unsigned nic = 0;  ///< transmitted: as RingEvent::nic
};

/// One packet: one head, from the first sight of it to its end. A head that the kernel frees and
/// uses again is another packet.
struct Packet {
    PacketId id = 0;
    std::string identified_by;  ///< "head" or the edge that made it ("clone", …)
    Address head = 0;
    Nanoseconds first_seen = 0;
    /// The driver's receive buffer that it came in, as the kernel addresses it (minus
    /// Observed::page_offset: the descriptor's address); 0: it did not come from a ring, or not
    /// seen. The bytes may have been copied from there to `head`.
    Address arrived_in = 0;
    std::string summary;  ///< for a person: "ICMP echo request 10.0.2.15 > 10.0.2.2 id 1 seq 0"
    /// What conditions are written against: "ethertype", "ip.protocol", "ip.source",
    /// "ip.destination", "icmp.type", "icmp.id", "icmp.sequence", "udp.source", … Lower case words.
    std::map<std::string, std::string> headers;
    std::vector<PacketEdge> edges;
    Fate fate;  ///< what became of it all in all: of its clones the one that went furthest
    /// What became of each sk_buff that held it, where there were several.
    std::vector<Fate> fates;
};

/// One counter of things that were not recorded. Every counter is listed, also when it is 0: a
/// reader must see that it was looked at. Each thing that was lost is in one counter only.
struct Loss {
    std::string kind;  ///< ring_buffer_overrun, bpf_reserve_failed, probe_missed, …
    std::optional<unsigned> cpu;
    std::uint64_t count = 0;
    std::string detail;         ///< what the counter counts, for a person
    std::string function = {};  ///< of whose calls; empty: of any
};

/// How much was lost in all.
inline std::uint64_t total(const std::vector<Loss>& losses) {
    std::uint64_t sum = 0;
    for (const auto& loss : losses) sum += loss.count;
    return sum;
}

/// A function that was asked for and could not be attached.
struct Unavailable {
    std::string function;
    std::string reason;
};

struct Interface {
    std::string name;
    std::uint32_t ifindex = 0;
    std::string mac;
    std::uint32_t mtu = 0;
    std::string driver;
    std::vector<std::string> features;  ///< negotiated virtio features, "mrg_rxbuf", …
};

/// The circumstances of a recording.
struct Observed {
    std::string kernel_release;
    std::string kernel_build_id;
    std::string machine;  ///< uname -m
    std::string collector_version;
    std::string clock = "mono";
    Nanoseconds started = 0;
    Nanoseconds ended = 0;
    std::vector<std::string> command;
    std::optional<int> exit_status;  ///< of the command; 128 + n when a signal ended it
    /// Start of the kernel's direct map: guest-physical = address - this. Joins an sk_buff's head
    /// with a descriptor.
    std::optional<Address> page_offset;
    std::string tree_method;      ///< "function_graph"
    std::string identity_method;  ///< "kprobe.multi" or "kprobe events"
    /// What was tried on this kernel and why the rest was not chosen, sentences for a person.
    std::vector<std::string> calibration;
    std::vector<Interface> interfaces;
    std::vector<std::string> traced;  ///< functions that the tree can contain, sorted
    std::vector<std::string> probed;  ///< those of them whose sk_buffs are recorded, sorted
    std::vector<Unavailable> unavailable;
    /// Kernel options that were looked at: "CONFIG_NETFILTER" → "y", "m", "n" (also where it is not
    /// set) or a value. An option that is not here is not known.
    std::map<std::string, std::string> config;
    /// What the host knows: "lab", "accelerator", "qemu", "nic", "vcpus" …
    std::map<std::string, std::string> host;
};

struct Descriptor {
    Address address = 0;  ///< guest-physical
    std::uint32_t length = 0;
    bool device_writable = false;
    bool next = false;  ///< VIRTQ_DESC_F_NEXT: another follows
};

/// A table of descriptors that one descriptor of a ring names (VIRTQ_DESC_F_INDIRECT).
struct IndirectTable {
    Address address = 0;        ///< guest-physical
    std::uint32_t length = 0;   ///< 16 bytes an entry
    std::uint32_t entries = 0;  ///< how many of the buffer's descriptors, the last ones, are there
};

/// What the NIC saw or did at one of its virtqueues.
struct RingEvent {
    std::uint64_t sequence = 0;
    Nanoseconds time = 0;  ///< the host's CLOCK_MONOTONIC: not comparable with calls
    unsigned queue = 0;    ///< virtqueue number: even receive, odd transmit
    /// available, used, kick, kick_suppressed, call, call_suppressed
    std::string event;
    std::optional<unsigned> index;        ///< free-running 16-bit ring index
    std::optional<unsigned> head;         ///< head descriptor of the chain
    std::optional<std::uint32_t> length;  ///< bytes written (used, receive) or read (transmit)
    std::vector<Descriptor> descriptors;
    std::optional<PacketId> packet;  ///< joined by guest-physical address
    std::string reason;
    std::optional<IndirectTable> indirect_table = {};
    /// Which of the guest's NICs saw it, from 0. Each numbers its queues and its events for itself;
    /// a recording has all events of the first, then all of the next.
    unsigned nic = 0;
};

struct Recording {
    Observed observed;
    std::vector<Loss> losses;
    std::vector<Packet> packets;
    std::vector<Chain> chains;
    std::vector<RingEvent> ring_events;
};

}  // namespace skbtrail::chain
