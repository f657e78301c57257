#!/bin/sh
# The exercise: ping the gateway, then be pinged by it. (The second echo request that the wire sees
# makes it send one of its own: wire.json.)
. /labs/common.sh

ping -c 1 -W 10 10.0.2.2

wait_for "the wire's echo request" counts Icmp OutEchoReps 1
echo "answered $(counter Icmp OutEchoReps) echo request(s) of the wire"
