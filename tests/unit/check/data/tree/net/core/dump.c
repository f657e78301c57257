static int dump_links(struct sk_buff *skb)
{
	return 0;
}

static const struct rtnl_msg_handler handlers[] = {
	{.msgtype = 1, .dumpit = dump_links},
};

static int dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	rtnl_dumpit_func dumpit = cb->data;

	return dumpit(skb, cb);
}

static int dump_nothing(struct sk_buff *skb, struct netlink_callback *cb)
{
	rtnl_dumpit_func dumpit = cb->data;

	return dumpit != 0;
}
