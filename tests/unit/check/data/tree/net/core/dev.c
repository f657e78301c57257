#include <net/dst.h>

/* count_packet(skb) in a comment calls nothing, nor does "count_packet(skb)" in a text. */
static void count_packet(struct sk_buff *skb)
{
	pr_debug("not_called(%p)", skb);
}

int netif_receive(struct sk_buff *skb)
{
	struct packet_type *pt = find(skb);

#ifdef CONFIG_COUNT
	if (skb) {
#else
	{
#endif
		count_packet(skb);
	}
	return pt->func(skb, skb->dev, pt, NULL);
}
EXPORT_SYMBOL(netif_receive);

static __always_inline int xmit(struct sk_buff *skb, const struct net_device_ops *ops)
	__must_hold(&lock)
{
	return ops->ndo_start_xmit(skb);
}

SYSCALL_DEFINE2(pass, int, fd, struct sk_buff *, skb)
{
	return xmit(skb, skb->dev->ops);
}

void deliver_one(struct sk_buff *skb)
{
	skb->state = IDLE;
}

void deliver_all(struct sk_buff *skb)
{
	deliver_if(skb, skb);
}
