static void *get_split(struct virtqueue *vq)
{
	return vq->next;
}

static const struct virtqueue_ops split_ops = {
	.get = get_split,
};

void *virtqueue_get(struct virtqueue *vq)
{
	return VIRTQUEUE_CALL(vq, get);
}

void *virtqueue_other(struct virtqueue *vq)
{
	return BUILD_BUG_ON(vq, get);
}
