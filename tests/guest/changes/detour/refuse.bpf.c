// Runs in place of security_sock_rcv_skb(sk, skb) where it returns another value than 0.
#include <linux/bpf.h>
#include <linux/if_ether.h>
/* these need the types */
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct sk_buff {
    __be16 protocol;
} __attribute__((preserve_access_index));

SEC("fmod_ret/security_sock_rcv_skb")
int refuse(__u64* arguments) {
    struct sk_buff* skb = (void*)arguments[1];

    return skb->protocol == bpf_htons(ETH_P_IP) ? -1 : 0;  // -EPERM
}

char _license[] SEC("license") = "GPL";
