static int start_xmit(struct sk_buff *skb)
{
	return 0;
}

static void refill(struct work *work)
{
}

static const struct net_device_ops ops = {
	.ndo_open = open,
	.ndo_start_xmit = start_xmit,
};
