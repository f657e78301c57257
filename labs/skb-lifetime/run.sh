#!/bin/sh
# The exercise: the wire (wire.json) answers a ping, and then sends one datagram that is read and
# fourteen packets that are dropped, each for another reason.
. /labs/common.sh

nc.openbsd -4 -u -l 10.0.2.15 6000 > /tmp/read &
reader=$!
udp_bound() { grep -q ":1770 " /proc/net/udp; }
wait_for "the reader's socket" udp_bound

ping -c 1 -W 10 10.0.2.2 | grep "packets transmitted"
wait_for "the datagram" has_line /tmp/read
echo "read: $(cat /tmp/read)"

# The last one is a segment for nobody, which is answered with RST.
wait_for "the last of the packets" counts Tcp OutRsts 1
kill "$reader"
