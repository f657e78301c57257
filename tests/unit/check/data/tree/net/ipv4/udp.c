static int copy_lite(void *from, char *to)
{
	return 0;
}

static int copy_plain(void *from, char *to)
{
	return 0;
}

static int copy_other(void *from, char *to)
{
	return 0;
}

static int append(struct sk_buff_head *queue, int getfrag(void *from, char *to), void *from)
{
	return getfrag(from, queue->to);
}

int udp_send(struct sk_buff_head *queue, void *from)
{
	int (*getfrag)(void *, char *);

	getfrag = queue->lite ? copy_lite : copy_plain;
	queue->getfrag = copy_other;
	return append(queue, getfrag, from);
}
