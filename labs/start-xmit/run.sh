#!/bin/sh
# The exercise: one datagram. The wire (wire.json) answers it, so that it is known to have arrived.
set -e

(echo "one datagram"; sleep 60) | nc.openbsd -4 -u -p 5000 10.0.2.2 7000 > /tmp/answer &
sender=$!
tries=0
until [ -s /tmp/answer ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ]; then
        echo "the wire's answer did not come within 20 s" >&2
        exit 1
    fi
    sleep 0.1
done
echo "the other side: $(cat /tmp/answer)"
kill "$sender"
