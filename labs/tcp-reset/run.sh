#!/bin/sh
# The exercise: nc connects and says nothing; the wire (wire.json) accepts and sends three RSTs, of
# which the last one is believed.
. /labs/common.sh

nc.openbsd -4 -p 5001 10.0.2.2 80 < /tmp/say > /tmp/answer 2> /tmp/error &
client=$!
# Open for writing as long as this script runs: nc's standard input does not end.
exec 3> /tmp/say
wait_for "the connection" tcp_socket 5001 ESTABLISHED
ask_for_one
ask_for_one
wait_for "the question about the second RST" counts TcpExt TCPChallengeACK 1
echo "challenged: $(counter TcpExt TCPChallengeACK)"
wait_for "the end of the connection" counts Tcp EstabResets 1
wait "$client" 2> /dev/null || true
echo "reset: $(counter Tcp EstabResets)"
