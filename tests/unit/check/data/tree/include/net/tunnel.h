static inline int tunnel_open(struct sk_buff *skb)
{
	return 0;
}
