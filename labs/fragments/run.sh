#!/bin/sh
# The exercise: a datagram of 3,900 bytes. The wire (wire.json) answers with one as long, in three
# fragments, and sends the first fragment of a datagram whose others never come.
. /labs/common.sh

(head -c 3900 /dev/zero | tr '\0' x; sleep 60) | nc.openbsd -4 -u -p 5000 10.0.2.2 7000 > /tmp/answer &
sender=$!
wait_for "the answer" has_line /tmp/answer
echo "sent in $(counter Ip FragCreates) fragments, received $(wc -c < /tmp/answer) bytes"
ask_for_one
wait_for "the end of the wait" counts Ip ReasmTimeout 1
echo "put together: $(counter Ip ReasmOKs), given up: $(counter Ip ReasmTimeout)"
kill "$sender"
