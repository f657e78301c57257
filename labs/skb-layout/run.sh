#!/bin/sh
# The exercise: a datagram of 100 bytes out, and one of 80 bytes in (wire.json).
. /labs/common.sh

(head -c 100 /dev/zero | tr '\0' x; sleep 60) | nc.openbsd -4 -u -p 5000 10.0.2.2 7000 > /tmp/answer &
sender=$!
wait_for "the wire's answer" has_line /tmp/answer
echo "the other side: $(wc -c < /tmp/answer) bytes"
kill "$sender"
