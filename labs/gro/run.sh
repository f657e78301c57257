#!/bin/sh
# The exercise: the wire (wire.json) is a server that answers with segments as GRO likes them, and as
# it does not.
. /labs/common.sh

(echo "all of it"; sleep 60) | nc.openbsd -4 10.0.2.2 80 > /tmp/answer &
client=$!
has_bytes() { [ "$(wc -c < /tmp/answer)" -ge "$1" ]; }
wait_for "the first fifteen segments" has_bytes 15000
echo "received: $(wc -c < /tmp/answer) bytes"

# From now on GRO holds what it has for 20 ms after a poll, for there may be more.
echo 20000000 > /sys/class/net/eth0/gro_flush_timeout
echo 1 > /sys/class/net/eth0/napi_defer_hard_irqs
# Something that the wire sees.
ping -c 1 -W 1 10.0.2.2 > /tmp/ping || true
wait_for "the last two segments" has_bytes 17000
echo "received: $(wc -c < /tmp/answer) bytes"
# The last thing that the wire sends is RST, which may have ended it already.
kill "$client" 2> /dev/null || true
