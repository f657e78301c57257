#!/bin/sh
# The exercise: a line over loopback. What comes back comes within the sender's own system call.
. /labs/common.sh

# The server keeps its side open until the client has closed.
sleep 2 | nc.openbsd -4 -l -N 127.0.0.1 7100 > /tmp/read &
server=$!
wait_for "the server" tcp_socket 7100 LISTEN
echo "one line" | nc.openbsd -4 -N -p 5555 127.0.0.1 7100
wait "$server"
echo "read: $(cat /tmp/read)"
