#!/bin/sh
# The exercise: one datagram. The wire (wire.json) answers it, so that it is known to have arrived.
. /labs/common.sh

(echo "one datagram"; sleep 60) | nc.openbsd -4 -u -p 5000 10.0.2.2 7000 > /tmp/answer &
sender=$!
wait_for "the wire's answer" has_line /tmp/answer
echo "the other side: $(cat /tmp/answer)"
kill "$sender"
