#!/bin/sh
# The exercise: the guest asks the wire (wire.json) three times, which sends two datagrams to the
# bridge's own address, and one to the host behind the other port.
. /labs/common.sh

udp_reader
/bin/ip netns exec far /bin/nc.openbsd -4 -u -l -k 10.0.2.7 6000 > /tmp/far &
far=$!
bound() { /bin/ip netns exec far grep -q ":1770 " /proc/net/udp; }
wait_for "the far host's socket" bound

next "the first"
next "the second"
ask_wire
wait_for "the datagram for the far host" has_line /tmp/far
cat /tmp/read /tmp/far
kill "$reader" "$far"
