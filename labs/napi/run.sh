#!/bin/sh
# The exercise: the wire (wire.json) sends a datagram, another one, twelve and a hundred.
. /labs/common.sh

nc.openbsd -4 -u -l -k 10.0.2.15 6000 > /tmp/read &
reader=$!
udp_bound() { grep -q ":1770 " /proc/net/udp; }
wait_for "the reader's socket" udp_bound
# Something that the wire sees.
ping -c 1 -W 1 10.0.2.2 > /tmp/ping || true
wait_for "114 datagrams" counts Udp InDatagrams 1
all_came() { [ $(( $(counter Udp InDatagrams) + $(counter Udp RcvbufErrors) )) -ge 114 ]; }
wait_for "the hundred" all_came
echo "datagrams: $(counter Udp InDatagrams) received, $(counter Udp RcvbufErrors) too many for the socket"
kill "$reader"
