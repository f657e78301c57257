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
    unsigned char skc_state;
    possible_net_t skc_net;
} RELOCATED;

struct inode {
    unsigned long i_ino;
} RELOCATED;

struct socket {
    struct sock* sk;
} RELOCATED;

/* A socket and its inode lie side by side. */
struct socket_alloc {
    struct socket socket;
    struct inode vfs_inode;
} RELOCATED;

struct kernfs_node {
    __u64 id;
} RELOCATED;

struct cgroup {
    int level;
    struct kernfs_node* kn;
    struct cgroup* ancestors[];
} RELOCATED;

struct sock_cgroup_data {
    struct cgroup* cgroup;
} RELOCATED;

struct sock {
    struct sock_common __sk_common;
    struct socket* sk_socket;
    struct sock_cgroup_data sk_cgrp_data;
} RELOCATED;

struct napi_struct {
    unsigned int napi_id;
} RELOCATED;

struct page {
    unsigned long flags;
} RELOCATED;

/*
 * One page of a packet: skb_frag_t, which was struct bio_vec before 6.9. The members have other
 * names then and lie where these do, so they are not relocated.
 */
struct skbtrail_fragment {
    __u64 page; /* an odd one is memory of a device, not struct page */
    __u32 length;
    __u32 offset;
};
struct skb_frag {
    __u64 netmem;
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
    struct skb_frag frags[1];
} RELOCATED;

struct sk_buff {
    struct sk_buff* next;
    struct net_device* dev;
    struct sock* sk;
    __s64 tstamp; /* ktime_t */
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
    __be16 vlan_proto;
    __u16 vlan_tci;
    __u32 tail;
    __u32 end;
    unsigned char* head;
    unsigned char* data;
    struct refcount users;
} RELOCATED;

#endif
