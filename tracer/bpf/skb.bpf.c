// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the sk_buffs stand: one program on every function that takes an sk_buff.
 *
 * The cookie of the attachment says which argument leads to one (event.h). The program says nothing
 * of calls and returns: that is function_graph's work, which loses nothing when a probe is hidden
 * by the guard that all kprobe-type programs of a CPU share. What this program misses, the
 * collector finds by comparing the two.
 */
#include "event.h"
#include "kernel_types.h"
/* these need the types */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Since Linux 6.2: reads through the pointer are plain loads, which give 0 where they fault. */
extern void* bpf_rdonly_cast(const void* pointer, __u32 type) __ksym;

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 << 20); /* the collector sets it before the load */
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SKBTRAIL_COOKIE_PLACES);
    __type(key, __u32);
    __type(value, struct skbtrail_cookie);
} cookies SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct skbtrail_refused_key);
    __type(value, struct skbtrail_refused);
} refused SEC(".maps");

/* Where the kernel keeps the start of its direct map; 0: not known. Set before the load. */
const volatile __u64 page_offset_address = 0;
/* Where it keeps the address of its array of struct page; 0: not known. */
const volatile __u64 vmemmap_address = 0;
/* A CPU wakes the reader each time that it has written this many more bytes. */
const volatile __u64 wakeup_bytes = 1 << 20;
/* Bytes of a packet that are copied, SKBTRAIL_SNAP at most. */
const volatile __u32 snaplen = SKBTRAIL_SNAP;

/* Nothing is recorded while this is 0. */
int enabled = 0;
__u64 page_offset = 0;
__u64 vmemmap = 0;
struct skbtrail_cpu cpus[SKBTRAIL_CPUS] = {};

/* One call, as all its events have it in common. */
struct call {
    __u64 function;
    __u64 time;
    __u64 sequence;
    __u64 extra;
    __u32 cpu;
    __u32 tid;
    __u32 cookie;
    __u64 first;   /* the sk_buff that the cookie names first, where it names one */
    __u64 number;  /* as_number()'s */
    __u32 flags;   /* SKBTRAIL_EVENT_WANTED */
    __u32 emitted; /* the filter let an event pass, whether or not there was room for it */
    __u32 told;    /* events that there was room for */
    __u32 refused; /* and that there was none for */
};

static __always_inline struct skbtrail_cpu* counters(__u32 cpu) {
    return &cpus[cpu & (SKBTRAIL_CPUS - 1)];
}

/* Room for an event of the call, or 0: that is counted. `bytes` is a constant. */
static __always_inline void* reserve(struct call* call, __u64 bytes) {
    void* event = bpf_ringbuf_reserve(&events, bytes, 0);

    if (!event) call->refused++;
    return event;
}

/* A wake-up is an interrupt in the middle of what is being watched, so there are few. */
static __always_inline void submit(void* event, struct call* call, __u64 bytes) {
    struct skbtrail_cpu* own = counters(call->cpu);

    call->told++;
    own->unannounced += bytes;
    if (own->unannounced < wakeup_bytes) {
        bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
        return;
    }
    own->unannounced = 0;
    bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
}

/*
 * A pointer that one can reckon with: what was loaded through bpf_rdonly_cast stays a pointer for
 * the verifier (on 7.3 one to memory, on 6.12 only one to a type) until it was in memory that is
 * not the stack. `call` is a global function's argument.
 */
static __always_inline __u64 as_number(struct call* call, const void* pointer) {
    volatile __u64* memory = &call->number;

    *memory = (__u64)pointer;
    return *memory;
}

static __always_inline void fill(struct skbtrail_event* event, const struct call* call) {
    __builtin_memset(event, 0, sizeof(*event));
    event->function = call->function;
    event->time = call->time;
    event->sequence = call->sequence;
    event->extra = call->extra;
    event->cpu = call->cpu;
    event->tid = call->tid;
    event->flags = call->flags;
}

#include "filter.bpf.h"
#include "headers.bpf.h"

/* Counts what there was no room for. Only this CPU writes to what it counts in. */
__noinline int count_refused(struct call* call) {
    struct skbtrail_refused_key key = {};
    struct skbtrail_refused none = {};
    struct skbtrail_refused* count;

    if (!call) return 0;
    key.function = call->function;
    key.cpu = call->cpu;
    bpf_map_update_elem(&refused, &key, &none, BPF_NOEXIST);
    count = bpf_map_lookup_elem(&refused, &key);
    if (!count) {
        counters(call->cpu)->refused += call->refused;
        return 0;
    }
    count->events += call->refused;
    if (!call->told) count->calls++;
    return 0;
}

/* An event of a call without an sk_buff: it is counted and matched all the same. */
__noinline int emit_nothing(struct call* call) {
    struct skbtrail_event* event;

    if (!call) return 0;
    /* Nothing is said of a packet that is not there, where only some are wanted. */
    if (filter.active && (call->cookie & 0xf) != SKBTRAIL_NO_ARGUMENT) return 0;
    call->emitted = 1;
    event = reserve(call, sizeof(*event));
    if (!event) return 0;
    fill(event, call);
    event->argument = SKBTRAIL_NO_ARGUMENT;
    submit(event, call, sizeof(*event));
    return 0;
}

__noinline int emit_context(struct call* call) {
    struct skbtrail_long_event* event;

    if (!call) return 0;
    call->emitted = 1;
    event = reserve(call, sizeof(*event));
    if (!event) return 0;
    fill(&event->event, call);
    event->event.argument = SKBTRAIL_NO_ARGUMENT;
    event->event.flags |= SKBTRAIL_EVENT_CONTEXT;
    event->event.bytes_used = 16;
    bpf_get_current_comm(event->bytes, 16);
    submit(event, call, sizeof(*event));
    return 0;
}

/* Is this the last owner of the head? As skb_data_unref() decides. */
static __always_inline int is_last(const struct sk_buff* skb) {
    struct skb_shared_info* shared =
        bpf_rdonly_cast(skb->head + skb->end, bpf_core_type_id_kernel(struct skb_shared_info));
    /* The low half counts all users, the high half payload. */
    int bias = BPF_CORE_READ_BITFIELD(skb, nohdr) ? (1 << 16) + 1 : 1;

    return !BPF_CORE_READ_BITFIELD(skb, cloned) || shared->dataref.counter == bias;
}

static __always_inline void describe(struct skbtrail_event* event, const struct sk_buff* skb,
                                     __u32 cookie) {
    struct net_device* dev = skb->dev;
    struct sock* sk = skb->sk;
    struct skb_shared_info* shared =
        bpf_rdonly_cast(skb->head + skb->end, bpf_core_type_id_kernel(struct skb_shared_info));
    struct net* net = 0;

    event->head = (__u64)skb->head;
    event->data = (__u64)skb->data;
    event->tail = skb->tail;
    event->end = skb->end;
    event->len = skb->len;
    event->data_len = skb->data_len;
    event->users = skb->users.refs.counter;
    event->protocol = skb->protocol;
    event->mac_header = skb->mac_header;
    event->network_header = skb->network_header;
    event->transport_header = skb->transport_header;
    if (BPF_CORE_READ_BITFIELD(skb, cloned)) event->flags |= SKBTRAIL_EVENT_CLONED;
    /* While a UDP socket queues it, skb->dev is scratch space: such a "pointer" reads as 0. */
    if (dev) {
        dev = bpf_rdonly_cast(dev, bpf_core_type_id_kernel(struct net_device));
        event->ifindex = dev->ifindex;
        net = dev->nd_net.net;
    }
    event->sock = (__u64)sk;
    if (!net && sk) {
        sk = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
        net = sk->__sk_common.skc_net.net;
    }
    if (net) {
        net = bpf_rdonly_cast(net, bpf_core_type_id_kernel(struct net));
        event->netns = net->ns.inum;
    }
    event->vlan_protocol = skb->vlan_proto;
    event->vlan_tag = skb->vlan_tci;
    event->mark = skb->mark;
    event->hash = skb->hash;
    event->tstamp = skb->tstamp;
    event->queue = skb->queue_mapping;
    event->ip_summed = BPF_CORE_READ_BITFIELD(skb, ip_summed);
    event->gso_size = shared->gso_size;
    event->gso_segs = shared->gso_segs;
    event->gso_type = shared->gso_type;
    event->frags = shared->nr_frags;
    event->flags |= SKBTRAIL_EVENT_SHARED;
    if ((cookie & SKBTRAIL_COOKIE_RELEASES) && is_last(skb)) event->flags |= SKBTRAIL_EVENT_LAST;
}

/* Are the fields of this sk_buff still to be set? */
static __always_inline int is_unset(const struct call* call, __u32 place) {
    return (call->cookie & SKBTRAIL_COOKIE_UNSET) && (place & 0xff) == (call->cookie & 0xf);
}

/* What an event says of its sk_buff. */
static __always_inline void complete(struct skbtrail_event* event, struct call* call,
                                     const struct sk_buff* skb, __u64 address, __u32 place) {
    event->skb = address;
    event->argument = place & 0xff;
    event->member = place >> 8;
    if (is_unset(call, place))
        event->flags |= SKBTRAIL_EVENT_UNSET;
    else
        describe(event, skb, call->cookie);
}

/* Forgets what is known of the head that the call gives back, or that another packet begins at. */
static __always_inline void forget_head(struct call* call, const struct sk_buff* skb, __u32 place) {
    __u64 head;

    if (is_unset(call, place)) {
        head = call->extra; /* which it is about to get */
    } else if ((call->cookie & SKBTRAIL_COOKIE_ENDS) ||
               ((call->cookie & SKBTRAIL_COOKIE_RELEASES) && is_last(skb))) {
        head = as_number(call, skb->head);
    } else {
        return;
    }
    if (!head) return;
    forget_copied(head);
    forget_verdict(head);
}

/*
 * Are headers to be copied now? Not if the packet's were copied before; but once more at its end,
 * since they may have been rewritten (NAT, XDP, GRO).
 */
static __always_inline int to_copy(struct call* call, const struct sk_buff* skb, __u32 place,
                                   struct source* source) {
    __u64 head = as_number(call, skb->head);
    __u64 before;
    __u32 late = call->cookie & (SKBTRAIL_COOKIE_AFTER_END | SKBTRAIL_COOKIE_ENDS);

    if (call->cookie & SKBTRAIL_COOKIE_HEADERS_OPEN) return 0;
    /* Where the head is given back it is there still. */
    if (late == SKBTRAIL_COOKIE_AFTER_END) return 0;
    if (is_unset(call, place)) return 0;
    if (!head) return 0;
    before = when_copied(head);
    if (before == COPIED_DONE) return 0;
    if (before && !(call->cookie & SKBTRAIL_COOKIE_HEADERS_DONE)) return 0;
    return find_headers(skb, source);
}

/* Is the packet to be told of? Sets the call's flags to what its event says of that. */
static __always_inline int passes_filter(struct call* call, const struct sk_buff* skb,
                                         __u64 address, __u32 place) {
    struct source source = {};
    int readable, last = 0;
    __u64 verdict;

    call->flags = 0;
    if (is_unset(call, place)) {
        if (call->extra) /* it gets a head here: another packet begins */
            forget_verdict(address);
        else
            forget_end(address);
        return 1;
    }
    if (!skb->head) return 1;
    if (call->cookie & SKBTRAIL_COOKIE_AFTER_END) {
        verdict = verdict_after_end(skb, address);
    } else {
        readable = !(call->cookie & SKBTRAIL_COOKIE_HEADERS_OPEN) && find_headers(skb, &source);
        verdict = verdict_on(skb, address, readable ? &source : 0,
                             call->cookie & SKBTRAIL_COOKIE_HEADERS_DONE);
    }
    if (call->cookie & SKBTRAIL_COOKIE_FREES) forget_verdict(address);
    if ((call->cookie & SKBTRAIL_COOKIE_RELEASES) && is_last(skb)) {
        keep_to_the_end(address, verdict);
        last = 1;
    }
    /* Its end is told all the same: the next packet at this address is another one. */
    if (verdict == VERDICT_REFUSED) return last;
    if (verdict == VERDICT_WANTED) {
        if (call->cookie & SKBTRAIL_COOKIE_EXPANDS) set_verdict(address, VERDICT_WANTED);
        if ((call->cookie & SKBTRAIL_COOKIE_COPIES) && (place & 0xff) == 1)
            set_verdict(call->first, VERDICT_WANTED);
        if (!filter.process || bpf_get_current_pid_tgid() >> 32 == filter.process)
            call->flags = SKBTRAIL_EVENT_WANTED;
    }
    return 1;
}

static __always_inline void emit_long(struct call* call, const struct sk_buff* skb, __u64 address,
                                      __u32 place, const struct source* source) {
    struct skbtrail_long_event* event = reserve(call, sizeof(*event));
    __u64 head = as_number(call, skb->head);
    __u64 when = call->cookie & SKBTRAIL_COOKIE_HEADERS_DONE ? COPIED_DONE : COPIED_EARLY;
    __u32 size;

    if (!event) return;
    fill(&event->event, call);
    size = copy_headers(source, event->bytes);
    if (size) {
        event->event.flags |= SKBTRAIL_EVENT_BYTES;
        event->event.bytes_used = size;
        set_copied(head, when);
    }
    complete(&event->event, call, skb, address, place);
    submit(event, call, sizeof(*event));
}

static __always_inline void emit_short(struct call* call, const struct sk_buff* skb, __u64 address,
                                       __u32 place) {
    struct skbtrail_event* event = reserve(call, sizeof(*event));

    if (!event) return;
    fill(event, call);
    complete(event, call, skb, address, place);
    submit(event, call, sizeof(*event));
}

/* The event of one sk_buff. `place` holds the argument (low 8 bits) and the list member. */
__noinline int emit_skb(struct call* call, __u64 address, __u32 place) {
    const struct sk_buff* skb;
    struct source source = {};

    if (!call) return 0;
    if (!address) return emit_nothing(call);
    skb = bpf_rdonly_cast((void*)address, bpf_core_type_id_kernel(struct sk_buff));
    if (!filter.active || passes_filter(call, skb, address, place)) {
        call->emitted = 1;
        if (to_copy(call, skb, place, &source))
            emit_long(call, skb, address, place, &source);
        else
            emit_short(call, skb, address, place);
    }
    /* Also if there was no room for an event. */
    forget_head(call, skb, place);
    return 0;
}

/*
 * What the pointer at `address` points to, as a number: a pointer loaded through bpf_rdonly_cast
 * stays a pointer for the verifier, which then may not be passed on or compared.
 */
static __always_inline __u64 follow(__u64 address) {
    __u64 next = 0;

    bpf_probe_read_kernel(&next, sizeof(next), (void*)address);
    return next;
}

/* The members of a list, linked by skb->list, which is the first member of struct sk_buff. */
__noinline int emit_list(struct call* call, __u64 address) {
    __u64 at = follow(address);
    int member;

    if (!call) return 0;
    if (!at || at == address) return emit_nothing(call);
    for (member = 0; member < SKBTRAIL_LIST_MEMBERS; member++) {
        if (!at || at == address) return 0;
        emit_skb(call, at, (call->cookie & 0xf) | member << 8);
        at = follow(at);
    }
    if (at && at != address) counters(call->cpu)->list_truncated++;
    return 0;
}

/* An sk_buff and those behind its skb->next. */
__noinline int emit_chain(struct call* call, __u64 address) {
    int member;

    if (!call) return 0;
    for (member = 0; member < SKBTRAIL_LIST_MEMBERS; member++) {
        emit_skb(call, address, (call->cookie & 0xf) | member << 8);
        if (!address) return 0;
        address = follow(address + bpf_core_field_offset(struct sk_buff, next));
        if (!address) return 0;
    }
    counters(call->cpu)->list_truncated++;
    return 0;
}

/* The value of one argument: from `registers`, or from above the return address on the stack. */
static __always_inline __u64 argument(const volatile __u64* registers, __u64 stack, __u32 which) {
    /* sixteen entries, so that a mask proves the bound */
    __u64 value = registers[which & 15];

    if (which > 5 && which != SKBTRAIL_NO_ARGUMENT)
        bpf_probe_read_kernel(&value, sizeof(value), (void*)(stack + 8 * (which - 5)));
    return value;
}

/* The inode number of a socket, by which /proc knows it; 0 while no process has it. */
static __always_inline __u64 socket_inode(__u64 address) {
    const struct sock* sk = bpf_rdonly_cast((void*)address, bpf_core_type_id_kernel(struct sock));
    __u64 owner = (__u64)sk->sk_socket;
    const struct inode* inode;

    if (!address || !owner) return 0;
    owner += bpf_core_field_offset(struct socket_alloc, vfs_inode) -
             bpf_core_field_offset(struct socket_alloc, socket);
    inode = bpf_rdonly_cast((void*)owner, bpf_core_type_id_kernel(struct inode));
    return inode->i_ino;
}

static __always_inline __u64 napi_id(__u64 address) {
    const struct napi_struct* napi =
        bpf_rdonly_cast((void*)address, bpf_core_type_id_kernel(struct napi_struct));

    return bpf_core_field_exists(struct napi_struct, napi_id) ? napi->napi_id : 0;
}

/* The events of all sk_buffs that the cookie names. */
static __always_inline void emit_arguments(struct call* call, const volatile __u64* registers,
                                           __u64 stack) {
    __u32 which = call->cookie & 0xf;
    __u64 first;

    if (which == SKBTRAIL_NO_ARGUMENT) {
        emit_nothing(call);
        return;
    }
    first = argument(registers, stack, which);
    call->first = first;
    switch (call->cookie >> 4 & 0xf) {
        case SKBTRAIL_SHAPE_SKB_POINTER:
            if (bpf_probe_read_kernel(&first, sizeof(first), (void*)first)) first = 0;
            emit_skb(call, first, which);
            break;
        case SKBTRAIL_SHAPE_LIST:
            emit_list(call, first);
            break;
        case SKBTRAIL_SHAPE_CHAIN:
            emit_chain(call, first);
            break;
        default:
            emit_skb(call, first, which);
    }
    which = call->cookie >> 8 & 0xf;
    if (which != SKBTRAIL_NO_ARGUMENT) emit_skb(call, argument(registers, stack, which), which);
}

static __always_inline __u32 cookie_of(struct pt_regs* ctx, __u64 function) {
    __u32 place = skbtrail_cookie_place(function);
    struct skbtrail_cookie* known = bpf_map_lookup_elem(&cookies, &place);

    if (known && known->function == (__u32)function) return known->cookie;
    return bpf_get_attach_cookie(ctx);
}

SEC("kprobe.multi")
int on_entry(struct pt_regs* ctx) {
    /*
     * All registers are read here, whether wanted or not: a read behind a branch on the cookie
     * would become a load from the context at an offset that varies, which the verifier refuses.
     */
    volatile __u64 registers[16] = {ctx->di, ctx->si, ctx->dx, ctx->cx, ctx->r8, ctx->r9};
    __u64 stack = ctx->sp;
    __u64 cookie;
    struct call call = {};

    if (!enabled) return 0;
    call.function = bpf_get_func_ip(ctx);
    cookie = cookie_of(ctx, call.function);
    call.cookie = cookie;
    call.time = bpf_ktime_get_ns();
    call.cpu = bpf_get_smp_processor_id();
    call.tid = (__u32)bpf_get_current_pid_tgid();
    call.sequence = counters(call.cpu)->calls++;
    call.extra = argument(registers, stack, cookie >> 12 & 0xf);
    if (cookie & SKBTRAIL_COOKIE_SOCKET) call.extra = socket_inode(call.extra);
    if (cookie & SKBTRAIL_COOKIE_NAPI) call.extra = napi_id(call.extra);

    if (!page_offset && page_offset_address)
        bpf_probe_read_kernel(&page_offset, sizeof(page_offset), (void*)page_offset_address);
    if (!vmemmap && vmemmap_address)
        bpf_probe_read_kernel(&vmemmap, sizeof(vmemmap), (void*)vmemmap_address);

    if (cookie & SKBTRAIL_COOKIE_CONTEXT)
        emit_context(&call);
    else
        emit_arguments(&call, registers, stack);
    if (call.refused) count_refused(&call);
    if (filter.active && !call.emitted) counters(call.cpu)->filtered++;
    return 0;
}
