#!/bin/sh
# The exercise: the wire (wire.json) answers a ping, and then sends two datagrams that are read, one
# of them copied on its way, and fifteen packets that are dropped, for thirteen reasons.
. /labs/common.sh

udp_reader

ping -c 1 -W 10 10.0.2.2 | grep "packets transmitted"
ask_for_one
ask_for_one
wait_for "the datagrams" grep -q "for two" /tmp/read
echo "read: $(head -n 1 /tmp/read)"
echo "read: $(tail -n 1 /tmp/read)"

for packet in $(seq 15); do ask_for_one; done
# The last one is a segment for nobody, which is answered with RST.
wait_for "the last of the packets" counts Tcp OutRsts 1
kill "$reader"
