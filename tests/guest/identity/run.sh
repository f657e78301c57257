#!/bin/sh
# The sockets first, then the link: the first frame of the file is a spare one, and the next comes
# some time behind it.
. /labs/common.sh
/lab/traffic receive 5000 /tmp/ready &
receiver=$!
wait_for "the sockets" test -e /tmp/ready
ip link set eth0 up
ip route add default via 10.0.2.3
arp -s 10.0.2.2 52:55:0a:00:02:02
arp -s 10.0.2.3 52:55:0a:00:02:03
wait "$receiver"
. /lab/send.sh
