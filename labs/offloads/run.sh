#!/bin/sh
# The exercise: one TCP connection to the wire (wire.json), which answers each request with a line; in
# between the guest takes offloads away.
. /labs/common.sh

# Left to the end of the guest: the wire would not answer its FIN, which would be sent again.
nc.openbsd -4 -p 5001 10.0.2.2 80 < /tmp/say > /tmp/answer &
exec 3> /tmp/say
answers() { [ "$(wc -l < /tmp/answer)" -ge "$1" ]; }
# The NIC has read so many frames, and nothing of them is under way while ethtool works.
read_by_nic() { [ "$(cat /sys/class/net/eth0/statistics/tx_packets)" -ge "$1" ]; }

cat /tmp/two >&3
wait_for "the first answer" answers 1
echo "datagram" | nc.openbsd -4 -u -q 0 -p 5002 10.0.2.2 7000
wait_for "5 frames" read_by_nic 5

# Two datagrams in one write, by eth0, which cannot cut them, and by lo, which need not.
perl /lab/segments.pl 10.0.2.2 7000 5004
wait_for "7 frames" read_by_nic 7
nc.openbsd -4 -u -l -k 127.0.0.1 6001 > /tmp/local &
reader=$!
wait_for "the reader's socket" grep -q "0100007F:1771 " /proc/net/udp
perl /lab/segments.pl 127.0.0.1 6001 5005
both() { [ "$(wc -c < /tmp/local)" -ge 2000 ]; }
wait_for "both datagrams" both
kill "$reader"

ethtool -K eth0 tso off
cat /tmp/two >&3
wait_for "the second answer" answers 2
wait_for "10 frames" read_by_nic 10

# ethtool says what else goes with it.
ethtool -K eth0 tx off > /tmp/changes
echo "one segment" >&3
wait_for "the third answer" answers 3
echo "datagram" | nc.openbsd -4 -u -q 0 -p 5003 10.0.2.2 7000

cat /tmp/answer
ethtool -k eth0 | grep -E "^(tx-checksumming|scatter-gather|tcp-segmentation-offload|generic-segmentation-offload):"
