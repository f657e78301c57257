/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The headers that a person recognises a packet by: where they lie, and whether they were copied
 * already. Part of skb.bpf.c.
 */
#ifndef SKBTRAIL_HEADERS_BPF_H
#define SKBTRAIL_HEADERS_BPF_H

/*
 * Heads whose packet's headers were copied already, and when: an early copy is replaced by one from
 * a place where they are complete. Each head has one place, which it may lose to another one. Only
 * an economy: that costs a second copy.
 */
#define COPIED_PLACES 4096
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, COPIED_PLACES);
    __type(key, __u32);
    __type(value, __u64); /* COPIED_* below the head, so that both change at once */
} copied SEC(".maps");

#define COPIED_EARLY 1
#define COPIED_DONE 2
#define COPIED_BITS 2

/* Room for headers of which some lie in the linear buffer and the rest in the first page. */
struct headers {
    __u8 bytes[2 * SKBTRAIL_SNAP];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct headers);
} scratch SEC(".maps");

static __always_inline __u64* copied_of(__u64 head) {
    __u32 place = (__u32)(head >> 6) * 0x9e3779b1u >> 20;

    _Static_assert(COPIED_PLACES == 1 << (32 - 20), "every place is reached, and no other");
    return bpf_map_lookup_elem(&copied, &place);
}

/* When the headers of this head's packet were copied: COPIED_*, 0 if they were not. */
static __always_inline __u64 when_copied(__u64 head) {
    __u64* place = copied_of(head);
    __u64 known = place ? *place : 0;

    return known >> COPIED_BITS == head << COPIED_BITS >> COPIED_BITS
               ? known & ((1 << COPIED_BITS) - 1)
               : 0;
}

static __always_inline void set_copied(__u64 head, __u64 when) {
    __u64* place = copied_of(head);

    if (place) *place = head << COPIED_BITS | when;
}

/* Another packet begins at this head. */
static __always_inline void forget_copied(__u64 head) {
    if (when_copied(head)) set_copied(head, 0);
}

/* Where the headers that a person would recognise a packet by are to be copied from. */
struct source {
    __u64 linear; /* address of the network header */
    __u32 linear_size;
    __u64 page; /* what follows */
    __u32 page_size;
};

#define PAGE_BITS 12

/*
 * The first page of a packet: drivers leave all but the link layer's header there. It is found as
 * page_address() finds it (x86-64: the direct map, and one array of struct page for all memory).
 */
static __always_inline void find_page(const struct sk_buff* skb, struct source* source) {
    __u64 shared = (__u64)skb->head + skb->end;
    __u32 network = skb->network_header, tail = skb->tail;
    struct skbtrail_fragment fragment;
    __u64 skipped = network > tail ? network - tail : 0;

    if (!vmemmap || !page_offset || skb->len == 0 || skb->data_len == 0) return;
    if (!((const struct skb_shared_info*)bpf_rdonly_cast(
              (void*)shared, bpf_core_type_id_kernel(struct skb_shared_info)))
             ->nr_frags)
        return;
    if (bpf_probe_read_kernel(
            &fragment, sizeof(fragment),
            (void*)(shared + bpf_core_field_offset(struct skb_shared_info, frags))))
        return;
    if (fragment.page & 1 || fragment.page < vmemmap || fragment.length <= skipped) return;
    source->page = page_offset +
                   ((fragment.page - vmemmap) / bpf_core_type_size(struct page) << PAGE_BITS) +
                   fragment.offset + skipped;
    source->page_size = fragment.length - skipped;
}

/* Finds what is there of them. False: nothing. */
static __always_inline int find_headers(const struct sk_buff* skb, struct source* source) {
    __u32 network = skb->network_header, tail = skb->tail;

    if (!skb->protocol || !network || network == 0xffff) return 0;
    source->linear = (__u64)skb->head + network;
    source->linear_size = tail > network ? tail - network : 0;
    if (source->linear_size > snaplen) source->linear_size = snaplen;
    if (source->linear_size < snaplen) find_page(skb, source);
    if (source->page_size > snaplen - source->linear_size)
        source->page_size = snaplen - source->linear_size;
    return source->linear_size + source->page_size;
}

/* Copies them; returns how many bytes. */
static __always_inline __u32 copy_headers(const struct source* source, __u8* target) {
    __u32 linear = source->linear_size, paged = source->page_size, key = 0;
    struct headers* room;

    if (linear > SKBTRAIL_SNAP || paged > SKBTRAIL_SNAP) return 0;
    if (!paged) return bpf_probe_read_kernel(target, linear, (void*)source->linear) ? 0 : linear;
    room = bpf_map_lookup_elem(&scratch, &key);
    if (!room) return 0;
    if (linear && bpf_probe_read_kernel(room->bytes, linear, (void*)source->linear)) return 0;
    if (bpf_probe_read_kernel(room->bytes + linear, paged, (void*)source->page)) paged = 0;
    __builtin_memcpy(target, room->bytes, SKBTRAIL_SNAP);
    return linear + paged;
}

#endif
