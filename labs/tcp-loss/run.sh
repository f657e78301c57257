#!/bin/sh
# The exercise: a line for a server (wire.json) that does not see it the first two times.
. /labs/common.sh

# Left to the end of the guest: the wire would not answer its FIN, which would be sent again.
segments=$(counter Tcp InSegs)
(echo "hello?"; sleep 60) | nc.openbsd -4 10.0.2.2 80 > /tmp/answer &
wait_for "the acknowledgement" counts Tcp InSegs $((segments + 2))
ask_for_one
wait_for "the answer" has_line /tmp/answer
echo "the server: $(cat /tmp/answer)"
echo "sent again: $(counter Tcp RetransSegs), probes: $(counter TcpExt TCPLossProbes), timeouts: $(counter TcpExt TCPTimeouts)"
