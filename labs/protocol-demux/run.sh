#!/bin/sh
# The exercise: the wire (wire.json) sends a datagram each time that the guest asks for one by a
# datagram of its own; in between the guest changes who gets it, and how.
. /labs/common.sh

udp_reader

next "list"
ask_for_one
dropped() { [ "$(cat /sys/class/net/eth0/statistics/rx_dropped)" -ge 1 ]; }
wait_for "the frame that nobody wants" dropped
echo "nobody's frames: $(cat /sys/class/net/eth0/statistics/rx_dropped)"

echo 1 > /sys/class/net/eth0/queues/rx-0/rps_cpus
next "RPS"
echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus

tcpdump -Z root -p -n -t -i eth0 -Q in -c 2 udp or ether proto 0x88b5 > /tmp/seen 2> /tmp/tcpdump &
tap=$!
wait_for "the packet socket" grep -qs "listening on" /tmp/tcpdump
next "tap"
ask_for_one
wait "$tap"
grep -E "UDP|ethertype" /tmp/seen | sed "s/^.*ethertype/ethertype/; s/: *$//"

echo "loopback" | nc.openbsd -4 -u -q 0 -p 7004 10.0.2.15 6000
wait_for "the datagram over loopback" grep -q "loopback" /tmp/read
cat /tmp/read
kill "$reader"
