#!/bin/sh
# The exercise: the guest tells eth0's wire (wire.json) to begin; the wire sends four datagrams for
# hosts behind the guest, each when the one before was answered. The first goes to eth1's wire
# (second-wire.json), which answers it.
. /labs/common.sh

echo "here I am" | /bin/ip netns exec far nc.openbsd -4 -u -l 10.0.3.7 6000 > /tmp/read &
reader=$!
far_is_bound() { /bin/ip netns exec far cat /proc/net/udp | grep -q ":1770 "; }
wait_for "the far host's socket" far_is_bound

echo "begin" | nc.openbsd -4 -u -q 0 -p 5000 10.0.2.2 7000
wait_for "the datagram for the far host" has_line /tmp/read
echo "the far host: $(cat /tmp/read)"
wait_for "the datagram whose time is up" counts Icmp OutTimeExcds 1
wait_for "the datagram that is too large" counts Icmp OutDestUnreachs 1
echo "forwarded: $(counter Ip ForwDatagrams), time exceeded: $(counter Icmp OutTimeExcds), too large: $(counter Icmp OutDestUnreachs)"
kill "$reader" 2> /dev/null || true
