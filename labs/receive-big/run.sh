#!/bin/sh
# The exercise: the wire (wire.json) sends frames of several sizes, each when it is asked to.
. /labs/common.sh

udp_reader
next_bytes 80
next_bytes 1080
next_bytes 9080
# The forty come in one poll; each goes up by itself, so that none is the last one of a long list.
echo 1 > /proc/sys/net/core/gro_normal_batch
next_bytes 12280
kill "$reader"
