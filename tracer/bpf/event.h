/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the BPF programs tell the collector: shared between both, so plain C with fixed sizes.
 */
#ifndef SKBTRAIL_EVENT_H
#define SKBTRAIL_EVENT_H

#ifdef __cplusplus
#include <cstdint>
typedef std::uint64_t skbtrail_u64;
typedef std::uint32_t skbtrail_u32;
typedef std::uint16_t skbtrail_u16;
typedef std::uint8_t skbtrail_u8;
#else
typedef unsigned long long skbtrail_u64;
typedef unsigned int skbtrail_u32;
typedef unsigned short skbtrail_u16;
typedef unsigned char skbtrail_u8;
#endif

/* Bytes of a packet that are copied once, from its network header on. */
#define SKBTRAIL_SNAP 96
/* CPUs with counters of their own; those above share by their number's low bits. */
#define SKBTRAIL_CPUS 1024
/* Members of one list of sk_buffs that are recorded; the rest is counted. */
#define SKBTRAIL_LIST_MEMBERS 32
/* "No argument" in a cookie. */
#define SKBTRAIL_NO_ARGUMENT 15

/*
 * The cookie of an attached function says where its sk_buffs are.
 *
 *  bits 0-3    argument that leads to sk_buffs (0-5 in registers, from 6 on the stack), 15: none
 *  bits 4-7    how it leads there: SKBTRAIL_SHAPE_*
 *  bits 8-11   a second argument that is a struct sk_buff *, 15: none
 *  bits 12-15  argument whose plain value is wanted (a drop reason, a new head), 15: none
 *  bits 16-    SKBTRAIL_COOKIE_*
 */
#define SKBTRAIL_SHAPE_SKB 0u         /* struct sk_buff * */
#define SKBTRAIL_SHAPE_SKB_POINTER 1u /* struct sk_buff ** */
#define SKBTRAIL_SHAPE_LIST 2u        /* struct list_head *, members linked by skb->list */
#define SKBTRAIL_SHAPE_CHAIN 3u       /* struct sk_buff *, more of them behind skb->next */

/* The thread's name is wanted: the function is the root of a chain. */
#define SKBTRAIL_COOKIE_CONTEXT (1u << 16)
/* The function gives back the data of its sk_buff: tell whether it is the last owner. */
#define SKBTRAIL_COOKIE_RELEASES (1u << 17)
/* The fields of the first sk_buff are not set yet when the function is entered. */
#define SKBTRAIL_COOKIE_UNSET (1u << 18)
/* A packet that gets here has all its headers: copy them even if that was done before, too early.
 */
#define SKBTRAIL_COOKIE_HEADERS_DONE (1u << 19)
/* The function is called while the headers are being written: do not copy them. */
#define SKBTRAIL_COOKIE_HEADERS_OPEN (1u << 20)
/* The plain value is a struct sock *: wanted is the inode number of its socket, 0 while no process
 * has it. */
#define SKBTRAIL_COOKIE_SOCKET (1u << 21)
/* The plain value is a struct napi_struct *: wanted is its id. */
#define SKBTRAIL_COOKIE_NAPI (1u << 22)
/* GRO is at work: if no header is in the linear buffer, NAPI_GRO_CB(skb)->frag0 points to the
 * network header. For kprobe events, which cannot find a page otherwise. */
#define SKBTRAIL_COOKIE_GRO (1u << 23)

/* The function gives its sk_buff another head. */
#define SKBTRAIL_COOKIE_EXPANDS (1u << 24)
/* The function makes its argument 0 from its argument 1. */
#define SKBTRAIL_COOKIE_COPIES (1u << 25)
/* The function gives back the struct sk_buff itself. */
#define SKBTRAIL_COOKIE_FREES (1u << 26)
/* The function is called behind one that RELEASES: the head may be somebody else's already. */
#define SKBTRAIL_COOKIE_AFTER_END (1u << 27)
/* The function gives the head back, or away, whoever holds it. */
#define SKBTRAIL_COOKIE_ENDS (1u << 28)

/* Flags of an event. */
#define SKBTRAIL_EVENT_CONTEXT (1u << 0) /* the bytes are the thread's name */
#define SKBTRAIL_EVENT_BYTES (1u << 1)   /* the bytes are the packet's from its network header on */
#define SKBTRAIL_EVENT_LAST (1u << 2)    /* the call releases the last reference to the head */
#define SKBTRAIL_EVENT_UNSET (1u << 3)   /* only `skb` is meaningful, its fields are not set */
#define SKBTRAIL_EVENT_CLONED (1u << 4)  /* skb->cloned */
#define SKBTRAIL_EVENT_SHARED (1u << 5)  /* the fields of struct skb_shared_info are meaningful */
#define SKBTRAIL_EVENT_DONE (1u << 6)    /* the bytes are from where headers are complete */
#define SKBTRAIL_EVENT_WANTED (1u << 7)  /* the filter wants the packet */

/*
 * The cookies by function, in a table of the program's own: the kernel looks an attachment's up in
 * a sorted list, which costs as much as all that the program does itself. A function that lost its
 * place to another one still has its cookie there.
 */
struct skbtrail_cookie {
    skbtrail_u32 function; /* low half of its address, which the kernel's text has for itself */
    skbtrail_u32 cookie;
};
#define SKBTRAIL_COOKIE_PLACES 16384

/* Where in the table a function's is: spread well, functions being 16 bytes or more apart. */
static inline skbtrail_u32 skbtrail_cookie_place(skbtrail_u64 function) {
    return ((skbtrail_u32)(function >> 4) * 0x9e3779b1u) >> 18;
}

/*
 * One sk_buff that a function was given; a call with several gives several events with the same
 * sequence, a call with none (a null pointer, an empty list) gives one with skb == 0.
 */
struct skbtrail_event {
    skbtrail_u64 function; /* address of the function's symbol */
    skbtrail_u64 time;     /* bpf_ktime_get_ns */
    skbtrail_u64 sequence; /* calls seen on this CPU before this one */
    skbtrail_u64 extra;    /* value of the argument that the cookie names */
    skbtrail_u64 skb;
    skbtrail_u64 head;
    skbtrail_u64 data;
    skbtrail_u32 tail, end, len, data_len;
    skbtrail_u32 users;
    skbtrail_u32 ifindex;
    skbtrail_u32 cpu;
    skbtrail_u32 tid;
    skbtrail_u16 protocol; /* network order */
    skbtrail_u16 mac_header, network_header, transport_header;
    skbtrail_u8 argument;
    skbtrail_u8 member; /* index in the list */
    skbtrail_u8 flags;
    skbtrail_u8 bytes_used; /* bytes that follow in skbtrail_long_event; 0: none, and it is short */
    skbtrail_u32 bytes_index; /* the collector's own: where it keeps those bytes */
    skbtrail_u64 sock;        /* skb->sk */
    skbtrail_u32 netns; /* inode number of the device's network namespace, else the socket's */
    skbtrail_u32 mark;
    skbtrail_u32 hash;
    skbtrail_u32 gso_type; /* SKB_GSO_* bits; shared info, as the next three */
    skbtrail_u16 gso_size;
    skbtrail_u16 gso_segs;
    skbtrail_u8 frags;
    skbtrail_u8 ip_summed;      /* CHECKSUM_* */
    skbtrail_u16 queue;         /* skb->queue_mapping */
    skbtrail_u16 vlan_protocol; /* network order; 0: no VLAN tag beside the data */
    skbtrail_u16 vlan_tag;
    skbtrail_u64 tstamp; /* skb->tstamp */
};

struct skbtrail_long_event {
    struct skbtrail_event event;
    skbtrail_u8 bytes[SKBTRAIL_SNAP];
};

/* Of which function's calls, and on which CPU, the full ring buffer refused events. */
struct skbtrail_refused_key {
    skbtrail_u64 function;
    skbtrail_u64 cpu;
};
struct skbtrail_refused {
    skbtrail_u64 events;
    skbtrail_u64 calls; /* those that have no event for this reason */
};

/* Counters of one CPU. */
struct skbtrail_cpu {
    skbtrail_u64 calls;          /* calls seen: the sequence */
    skbtrail_u64 refused;        /* refused events that there was no counter for either */
    skbtrail_u64 list_truncated; /* lists longer than SKBTRAIL_LIST_MEMBERS */
    skbtrail_u64 filtered;       /* calls that the filter left no event of */
    skbtrail_u64 unannounced;    /* bytes since the reader was woken */
};

/* Bytes of a packet that a filter's expression can look at. */
#define SKBTRAIL_FILTER_BYTES 256
/* Instructions that a filter's expression may take, for each of its two programs. */
#define SKBTRAIL_FILTER_ROOM 2048
/* How the collector finds the places for them. */
#define SKBTRAIL_FILTER_FRAME 0x736b625f6672616d
#define SKBTRAIL_FILTER_PACKET 0x736b625f7061636b

/* Which packets are wanted. Every 0 asks for nothing. */
struct skbtrail_filter {
    skbtrail_u32 active;            /* something is asked for */
    skbtrail_u32 expression;        /* there are programs for frames … */
    skbtrail_u32 packet_expression; /* … and for packets without a link header */
    skbtrail_u32 ifindex;           /* of the device that the packet is at */
    skbtrail_u32 netns;             /* inode number of its namespace */
    skbtrail_u32 process;           /* a call for the packet is made by this one */
    skbtrail_u64 cgroup;            /* id of a control group that its socket is in, or below */
    skbtrail_u32 cgroup_level;      /* depth of that one */
    skbtrail_u32 packets;           /* so many, no more */
};

#endif
