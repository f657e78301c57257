#!/bin/sh
# The exercise: the wire (wire.json) does not answer the first request for a connection, closes its
# window after the first line, and says nothing at all on the second connection.
. /labs/common.sh

nc.openbsd -4 -p 5001 10.0.2.2 80 < /tmp/say > /tmp/answer &
client=$!
exec 3> /tmp/say
answers() { [ "$(wc -l < /tmp/answer)" -ge "$1" ]; }
echo "first" >&3
wait_for "the answer that closes the window" answers 1
echo "second" >&3
wait_for "the answer to what had to wait" answers 2
cat /tmp/answer
kill "$client"

# busybox's telnet asks for keep-alive (SO_KEEPALIVE).
sleep 60 | telnet 10.0.2.2 23 > /tmp/telnet 2>&1 &
given_up() { [ "$(counter TcpExt TCPAbortOnTimeout)" -ge 1 ]; }
wait_for "the end of the connection that nobody answers" given_up
echo "repeated: $(counter Tcp RetransSegs), asked: $(counter TcpExt TCPKeepAlive), given up: $(counter TcpExt TCPAbortOnTimeout)"
