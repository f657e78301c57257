// What becomes of a frame, by the UDP port that it goes to: 6001 is dropped, 6002 goes back where
// it came from, all others go on into the kernel.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
/* these need the types */
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int decide(struct xdp_md* context) {
    void* data = (void*)(long)context->data;
    void* end = (void*)(long)context->data_end;
    struct ethhdr* ethernet = data;
    struct iphdr* ip = (void*)(ethernet + 1);
    struct udphdr* udp = (void*)(ip + 1);

    // The verifier wants to know that what is read is within the frame.
    if ((void*)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
        ip->protocol != IPPROTO_UDP)
        return XDP_PASS;
    if (udp->dest == bpf_htons(6001)) return XDP_DROP;
    if (udp->dest != bpf_htons(6002)) return XDP_PASS;

    // Swapping leaves every checksum as it is.
    for (int i = 0; i < ETH_ALEN; i++) {
        __u8 byte = ethernet->h_dest[i];
        ethernet->h_dest[i] = ethernet->h_source[i];
        ethernet->h_source[i] = byte;
    }
    __be32 address = ip->daddr;
    ip->daddr = ip->saddr;
    ip->saddr = address;
    __be16 port = udp->dest;
    udp->dest = udp->source;
    udp->source = port;
    return XDP_TX;
}

// Some of the helpers may be called by programs under the GPL only; the kernel asks.
char _license[] SEC("license") = "GPL";
