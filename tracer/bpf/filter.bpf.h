/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which packets are wanted.
 *
 * A packet is judged once, where its headers are there and what else is asked for can be told (its
 * device, its socket). From then on the verdict belongs to its head, so it is followed whatever
 * becomes of its headers, and goes over to the head that takes its place. Before, all its events
 * are kept: the collector throws those away whose packet never became a wanted one.
 */
#ifndef SKBTRAIL_FILTER_BPF_H
#define SKBTRAIL_FILTER_BPF_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "event.h"
#include "headers.bpf.h"
#include "kernel_types.h"

/* Set before the load: what is not asked for costs nothing. */
const volatile struct skbtrail_filter filter = {};

/* Packets that were wanted so far. */
__u32 wanted_packets = 0;

/* What was found of a head: one of these, and above 8 bits the device it was found at. */
#define VERDICT_WANTED 1ull
#define VERDICT_REFUSED 2ull
/* Refused where its headers may not have been complete: judged again where they are. */
#define VERDICT_REFUSED_EARLY 3ull
/* Of an sk_buff whose head was given back, while it is being freed itself. */
#define VERDICT_WANTED_TO_THE_END 4ull
#define VERDICT_REFUSED_TO_THE_END 5ull

/*
 * By head; and by sk_buff, where that is about to get a head, or has given its last one back. An
 * entry that is evicted costs another look at the headers, which have changed only if the packet
 * was forwarded or translated meanwhile.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 64); /* the collector sets it before the load */
    __type(key, __u64);
    __type(value, __u64);
} verdicts SEC(".maps");

/* The bytes that an expression looks at: too many for the stack. */
struct filter_bytes {
    __u8 bytes[SKBTRAIL_FILTER_BYTES];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct filter_bytes);
} filter_scratch SEC(".maps");

#define STRING(text) #text
#define EXPANDED_STRING(text) STRING(text)

/*
 * Places for the programs that the collector translates from the expression, which read their
 * arguments from r1, r2 and r3 and leave what they found in r0. It finds the places by the
 * constants and writes over what follows them.
 *
 * The jump over what is not needed of the room looks as if it depended on something, since code
 * that nothing leads to is refused. The verifier sees that it is always taken and removes the rest
 * at once; jumps to the next instruction it removes one by one, and moves the whole program for
 * each, which took longer than all else that it does.
 */
#define BEHIND_JUMP 2046
_Static_assert(BEHIND_JUMP == SKBTRAIL_FILTER_ROOM - 2, "the assembler takes a plain number only");
#define PLACE_FOR_PROGRAM(marker)                                                          \
    register __u64 found asm("r0");                                                        \
    register const void* first asm("r1") = bytes;                                          \
    register __u64 second asm("r2") = available;                                           \
    register __u64 third asm("r3") = length;                                               \
                                                                                           \
    asm volatile("r0 = " EXPANDED_STRING(marker) " ll\n"                                 \
                 "r4 = 0\n"                                                              \
                 "if r4 == 0 goto +" EXPANDED_STRING(BEHIND_JUMP) "\n"                   \
                 ".rept " EXPANDED_STRING(BEHIND_JUMP) "\n"                              \
                 "goto +0\n"                                                             \
                 ".endr\n"                                                               \
                 : "=r"(found)                                                           \
                 : "r"(first), "r"(second), "r"(third)                                   \
                 : "r4", "r5", "r6", "memory"); \
    return found

static __noinline __u64 accepts_frame(const struct filter_bytes* bytes, __u64 available,
                                      __u64 length) {
    PLACE_FOR_PROGRAM(SKBTRAIL_FILTER_FRAME);
}

static __noinline __u64 accepts_packet(const struct filter_bytes* bytes, __u64 available,
                                       __u64 length) {
    PLACE_FOR_PROGRAM(SKBTRAIL_FILTER_PACKET);
}

#define ETHERNET_HEADER 14
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

enum judgement { JUDGE_YES, JUDGE_NO, JUDGE_NO_EARLY, JUDGE_LATER };

/* A link header with tags; what is longer is none. */
#define LONGEST_LINK_HEADER 32

/* Does the expression accept the packet? */
static __always_inline enum judgement judge_bytes(const struct sk_buff* skb,
                                                  const struct source* headers) {
    __u32 mac = skb->mac_header;
    __u32 network = skb->network_header;
    __u32 protocol = bpf_ntohs(skb->protocol);
    __u32 link = mac != 0xffff && mac + ETHERNET_HEADER <= network ? network - mac : 0;
    __u32 linear = link + headers->linear_size;
    __u32 paged = headers->page_size;
    __u64 length = (skb->data - skb->head) + skb->len - (network - link);
    struct filter_bytes* bytes;
    __u32 zero = 0;

    if (!link) {
        /* Without a link header only the protocol's number tells what it is. */
        if (protocol != ETHERTYPE_IPV4 && protocol != ETHERTYPE_IPV6) return JUDGE_LATER;
        if (!filter.packet_expression) return JUDGE_LATER;
    }
    if (linear > SKBTRAIL_SNAP + LONGEST_LINK_HEADER || paged > SKBTRAIL_SNAP) return JUDGE_LATER;
    bytes = bpf_map_lookup_elem(&filter_scratch, &zero);
    if (!bytes) return JUDGE_LATER;
    if (bpf_probe_read_kernel(bytes->bytes, linear, (void*)(headers->linear - link)))
        return JUDGE_LATER;
    if (paged && bpf_probe_read_kernel(bytes->bytes + linear, paged, (void*)headers->page))
        return JUDGE_LATER;
    if (link) return accepts_frame(bytes, linear + paged, length) ? JUDGE_YES : JUDGE_NO;
    return accepts_packet(bytes, linear + paged, length) ? JUDGE_YES : JUDGE_NO_EARLY;
}

#define SOCKET_TIME_WAIT 6
#define SOCKET_NEW_SYN_RECV 12

/* Is the packet's socket in the control group, or in one below? */
static __always_inline enum judgement judge_cgroup(struct sock* sk) {
    struct cgroup* cgroup;
    struct kernfs_node* node;
    struct cgroup** place;
    __u64 ancestor = 0;
    __u8 state;

    if (!sk) return JUDGE_LATER;
    sk = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
    state = sk->__sk_common.skc_state;
    /* These are no whole sockets. */
    if (state == SOCKET_TIME_WAIT || state == SOCKET_NEW_SYN_RECV) return JUDGE_LATER;
    cgroup = sk->sk_cgrp_data.cgroup;
    if (!cgroup) return JUDGE_NO;
    cgroup = bpf_rdonly_cast(cgroup, bpf_core_type_id_kernel(struct cgroup));
    if (cgroup->level < (int)filter.cgroup_level) return JUDGE_NO;
    place = (void*)((__u64)cgroup + bpf_core_field_offset(struct cgroup, ancestors) +
                    8 * (__u64)filter.cgroup_level);
    if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor), place) || !ancestor) return JUDGE_NO;
    cgroup = bpf_rdonly_cast((void*)ancestor, bpf_core_type_id_kernel(struct cgroup));
    node = bpf_rdonly_cast(cgroup->kn, bpf_core_type_id_kernel(struct kernfs_node));
    return node->id == filter.cgroup ? JUDGE_YES : JUDGE_NO;
}

static __always_inline __u32 ifindex_of(const struct sk_buff* skb) {
    struct net_device* dev = skb->dev;

    if (!dev) return 0;
    dev = bpf_rdonly_cast(dev, bpf_core_type_id_kernel(struct net_device));
    return dev->ifindex;
}

static __always_inline __u32 netns_of(const struct sk_buff* skb) {
    struct net_device* dev = skb->dev;
    struct sock* sk = skb->sk;
    struct net* net = 0;

    if (dev) {
        dev = bpf_rdonly_cast(dev, bpf_core_type_id_kernel(struct net_device));
        net = dev->nd_net.net;
    }
    if (!net && sk) {
        sk = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
        net = sk->__sk_common.skc_net.net;
    }
    if (!net) return 0;
    net = bpf_rdonly_cast(net, bpf_core_type_id_kernel(struct net));
    return net->ns.inum;
}

/* Is this packet wanted? `headers`: where they are; 0: they cannot be read yet. */
static __always_inline enum judgement judge(const struct sk_buff* skb,
                                            const struct source* headers) {
    enum judgement found;

    if (filter.expression && !headers) return JUDGE_LATER;
    if (filter.ifindex) {
        __u32 ifindex = ifindex_of(skb);

        if (!ifindex) return JUDGE_LATER;
        if (ifindex != filter.ifindex) return JUDGE_NO;
    }
    if (filter.netns) {
        __u32 netns = netns_of(skb);

        if (!netns) return JUDGE_LATER;
        if (netns != filter.netns) return JUDGE_NO;
    }
    if (filter.cgroup) {
        found = judge_cgroup(skb->sk);
        if (found != JUDGE_YES) return found;
    }
    return filter.expression ? judge_bytes(skb, headers) : JUDGE_YES;
}

static __always_inline void set_verdict(__u64 key, __u64 verdict) {
    bpf_map_update_elem(&verdicts, &key, &verdict, BPF_ANY);
}

/* Another packet begins at this address. */
static __always_inline void forget_verdict(__u64 key) {
    if (filter.active && key) bpf_map_delete_elem(&verdicts, &key);
}

/* One more packet is wanted, unless there were enough. */
static __always_inline __u64 welcome(void) {
    if (filter.packets && __sync_fetch_and_add(&wanted_packets, 1) >= filter.packets)
        return VERDICT_REFUSED;
    return VERDICT_WANTED;
}

/*
 * The verdict on a packet: VERDICT_WANTED, VERDICT_REFUSED, or 0 while it is open. `headers`: where
 * they are; 0: they cannot be read yet. `done`: they are complete here.
 */
static __always_inline __u64 verdict_on(const struct sk_buff* skb, __u64 address,
                                        const struct source* headers, __u64 done) {
    __u64 head = (__u64)skb->head;
    __u64* known = bpf_map_lookup_elem(&verdicts, &head);
    __u64 before = known ? *known & 0xff : 0;
    __u64 verdict = 0;

    if (before == VERDICT_WANTED) return VERDICT_WANTED;
    if (!before) {
        /* Does it go on where a wanted one was? */
        known = bpf_map_lookup_elem(&verdicts, &address);
        if (known) {
            __u64 of_skb = *known;

            bpf_map_delete_elem(&verdicts, &address);
            if (of_skb == VERDICT_WANTED) {
                set_verdict(head, VERDICT_WANTED);
                return VERDICT_WANTED;
            }
        }
    }
    if (before == VERDICT_REFUSED) {
        /* It is looked at again where it gets to the device. */
        if (!filter.ifindex || *known >> 8 == filter.ifindex || ifindex_of(skb) != filter.ifindex)
            return VERDICT_REFUSED;
    }
    if (before == VERDICT_REFUSED_EARLY && !done) return 0;
    switch (judge(skb, headers)) {
        case JUDGE_YES:
            verdict = welcome();
            break;
        case JUDGE_NO:
            verdict = VERDICT_REFUSED;
            break;
        case JUDGE_NO_EARLY:
            verdict = done ? VERDICT_REFUSED : VERDICT_REFUSED_EARLY;
            break;
        default:
            return 0;
    }
    set_verdict(head, verdict | (filter.ifindex ? (__u64)ifindex_of(skb) << 8 : 0));
    return verdict == VERDICT_REFUSED_EARLY ? 0 : verdict;
}

/* The last owner of the head gives it back: whatever comes next there is another packet. */
static __always_inline void keep_to_the_end(__u64 address, __u64 verdict) {
    if (!verdict) {
        forget_verdict(address);
        return;
    }
    set_verdict(address,
                verdict == VERDICT_WANTED ? VERDICT_WANTED_TO_THE_END : VERDICT_REFUSED_TO_THE_END);
}

/* The sk_buff is used anew. If it is about to get another head its packet goes on. */
static __always_inline void forget_end(__u64 address) {
    __u64* known = bpf_map_lookup_elem(&verdicts, &address);

    if (known && *known >= VERDICT_WANTED_TO_THE_END) forget_verdict(address);
}

/* As verdict_on(), for an sk_buff whose head may be gone: its memory is not looked at. */
static __always_inline __u64 verdict_after_end(const struct sk_buff* skb, __u64 address) {
    __u64* known = bpf_map_lookup_elem(&verdicts, &address);
    __u64 head = (__u64)skb->head;
    __u64 verdict;

    if (known && *known == VERDICT_WANTED_TO_THE_END) return VERDICT_WANTED;
    if (known && *known == VERDICT_REFUSED_TO_THE_END) return VERDICT_REFUSED;
    /* Others may hold the head still. */
    known = bpf_map_lookup_elem(&verdicts, &head);
    verdict = known ? *known & 0xff : 0;
    return verdict == VERDICT_REFUSED_EARLY ? 0 : verdict;
}

#endif
