/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel structures that the BPF programs look into, with only the members they use.
 *
 * preserve_access_index makes every access a relocation: libbpf fits the offsets to the running
 * kernel's BTF when the program is loaded. So this is no copy of one kernel's layout, and building
 * needs no kernel's BTF. Names and nesting must be the kernel's (include/linux/skbuff.h,
 * include/linux/netdevice.h); anonymous unions and structures may be left out.
 */
#ifndef SKBTRAIL_KERNEL_TYPES_H
#define SKBTRAIL_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <linux/types.h>

#define RELOCATED __attribute__((preserve_access_index))

/* The context of a kprobe program: fixed by the ABI of BPF, thus not relocated (x86-64). */
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx;
    unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
    unsigned long orig_ax, ip, cs, flags, sp, ss;
};

struct list_head {
    struct list_head *next, *prev;
} RELOCATED;

struct ns_common {
    unsigned int inum;
} RELOCATED;

struct net {
    struct ns_common ns;
} RELOCATED;

typedef struct {
    struct net* net;
} possible_net_t;

struct net_device {
    int ifindex;
    possible_net_t nd_net;
} RELOCATED;

struct sock_common {
    possible_net_t skc_net;
} RELOCATED;

struct sock {
    struct sock_common __sk_common;
} RELOCATED;

/* atomic_t and refcount_t: a relocation matches members by name, and structures with structures. */
struct atomic {
    int counter;
} RELOCATED;

struct refcount {
    struct atomic refs;
} RELOCATED;

struct skb_shared_info {
    __u8 nr_frags;
    unsigned short gso_size;
    unsigned short gso_segs;
    unsigned int gso_type;
    struct atomic dataref;
} RELOCATED;

struct sk_buff {
    struct sk_buff* next;
    struct net_device* dev;
    struct sock* sk;
    unsigned int len;
    unsigned int data_len;
    __u16 queue_mapping;
    __u8 cloned : 1;
    __u8 nohdr : 1;
    __u8 ip_summed : 2;
    __u32 hash;
    __u32 mark;
    __be16 protocol;
    __u16 transport_header;
    __u16 network_header;
    __u16 mac_header;
    __u32 tail;
    __u32 end;
    unsigned char* head;
    unsigned char* data;
    struct refcount users;
} RELOCATED;

#endif
