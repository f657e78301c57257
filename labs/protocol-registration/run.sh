#!/bin/sh
# The exercise: what inet_init registered (recorded while the kernel booted) is there, and is used;
# and a packet socket registers itself as IP did.
. /labs/common.sh

echo "protocols:$(awk '$1 ~ /^(PING|RAW|UDP|TCP)(v6)?$/ { print $1 }' /proc/net/protocols | sort | tr '\n' ' ' | sed 's/^/ /; s/ $//')"
echo "ethertypes: $(awk 'NF == 2 && $2 ~ /^(ip|ipv6|arp)_rcv$/ { printf "%s to %s  ", $1, $2 }' /proc/net/ptype)"

# A socket of each kind that inetsw_array knows: inet_create looks up what was registered.
nc.openbsd -4 -z 127.0.0.1 9 || echo "nobody listens"
echo "hello" | nc.openbsd -4 -u -q 0 127.0.0.1 9
ping -c 1 127.0.0.1 | grep -c "bytes from"

# A packet socket for ARP: dev_add_pack, while everything runs.
arping -q -c 1 -w 1 -I eth0 10.0.2.2 || echo "no answer from the sink"
