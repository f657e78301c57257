#!/bin/sh
# The exercise: one TCP connection to the wire (wire.json), which answers each request with a line; in
# between the guest takes offloads away.
. /labs/common.sh

nc.openbsd -4 -p 5001 10.0.2.2 80 < /tmp/say > /tmp/answer &
client=$!
exec 3> /tmp/say
answers() { [ "$(wc -l < /tmp/answer)" -ge "$1" ]; }
# The NIC has read so many frames, and nothing of them is under way while ethtool works.
read_by_nic() { [ "$(cat /sys/class/net/eth0/statistics/tx_packets)" -ge "$1" ]; }

cat /tmp/two >&3
wait_for "the first answer" answers 1
echo "datagram" | nc.openbsd -4 -u -q 0 -p 5002 10.0.2.2 7000
wait_for "5 frames" read_by_nic 5

ethtool -K eth0 tso off
cat /tmp/two >&3
wait_for "the second answer" answers 2
wait_for "8 frames" read_by_nic 8

# ethtool says what else goes with it.
ethtool -K eth0 tx off > /tmp/changes
echo "one segment" >&3
wait_for "the third answer" answers 3
echo "datagram" | nc.openbsd -4 -u -q 0 -p 5003 10.0.2.2 7000

cat /tmp/answer
ethtool -k eth0 | grep -E "^(tx-checksumming|scatter-gather|tcp-segmentation-offload|generic-segmentation-offload):"
kill "$client"
