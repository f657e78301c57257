// Lets everything go on.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
/* these need the types */
#include <bpf/bpf_helpers.h>

SEC("tc")
int look(struct __sk_buff* skb) {
    return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
