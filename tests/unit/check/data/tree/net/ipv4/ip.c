static int finish(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	return dst_input(skb);
}

int ip_receive(struct sk_buff *skb)
{
	schedule_work(finish_later);
	return NF_HOOK(NFPROTO_IPV4, NF_INET_PRE_ROUTING, skb, finish);
}

int ip_local_deliver(struct sk_buff *skb)
{
	return 0;
}

void finish_later(struct work *work)
{
}

static struct packet_type ip_packet_type __read_mostly = {
	.type = cpu_to_be16(ETH_P_IP),
	.func = ip_receive,
};
