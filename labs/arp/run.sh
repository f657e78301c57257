#!/bin/sh
# The exercise: a ping to a neighbour that is not known yet. The wire (wire.json) answers the ARP
# request that it causes, and later asks for the guest's own address.
. /labs/common.sh

echo "before: $(ip neigh | wc -l) neighbour(s)"
# Nobody answers the ping itself; what is looked at is how it leaves.
ping -c 1 -W 1 10.0.2.2 > /tmp/ping || true

is_neighbour() { ip neigh | grep -q "^$1 "; }
wait_for "the wire's ARP request" is_neighbour 10.0.2.77
ip neigh | awk '{ print "after: " $1, $4, $5 }' | sort
