#!/bin/sh
# The exercise: five datagrams of 1000 bytes, five a second. The server is the far host. Beside the
# datagrams the two talk over TCP, which is not recorded.
. /labs/common.sh

far() { /bin/ip netns exec far "$@"; }
far_listens() { far cat /proc/net/tcp | grep -q ":1451 .* 0A "; }

far iperf3 -4 -s -1 > /tmp/server 2>&1 &
server=$!
wait_for "the server" far_listens
iperf3 -4 -c 10.0.5.2 -u -b 40k -l 1000 -k 5 --cport 5000 > /tmp/client
wait "$server"
grep -E "(sender|receiver)$" /tmp/client
