#!/bin/sh
# The exercise: a line for a server (wire.json) that does not see it the first two times.
. /labs/common.sh

segments=$(counter Tcp InSegs)
(echo "hello?"; sleep 60) | nc.openbsd -4 10.0.2.2 80 > /tmp/answer &
client=$!
wait_for "the acknowledgement" counts Tcp InSegs $((segments + 2))
ask_for_one
wait_for "the answer" has_line /tmp/answer
echo "the server: $(cat /tmp/answer)"
echo "sent again: $(counter Tcp RetransSegs), probes: $(counter TcpExt TCPLossProbes), timeouts: $(counter TcpExt TCPTimeouts)"
kill "$client"
