/* A tree as small as the tests need: shapes of the kernel's source, none of its text. */
static inline int dst_input(struct sk_buff *skb)
{
	return INDIRECT_CALL_INET(skb_dst(skb)->input, ip6_input, ip_local_deliver, skb);
}

#define deliver_if(cond, skb)			\
	do {					\
		if (cond)			\
			deliver_one(skb);	\
	} while (0)
