#!/bin/sh
# The exercise: a ping to a neighbour that is not known yet. The wire (wire.json) answers the ARP
# request that it causes, and later asks for the guest's own address.

echo "before: $(ip neigh | wc -l) neighbour(s)"
# Nobody answers the ping itself; what is looked at is how it leaves.
ping -c 1 -W 1 10.0.2.2 > /tmp/ping

tries=0
until ip neigh | grep -q "^10.0.2.77 "; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ]; then
        echo "the wire's ARP request did not come within 20 s" >&2
        exit 1
    fi
    sleep 0.1
done
ip neigh | awk '{ print "after: " $1, $4, $5 }' | sort
