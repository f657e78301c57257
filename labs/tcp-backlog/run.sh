#!/bin/sh
# The exercise: a line over loopback. What comes back comes within the sender's own system call.
. /labs/common.sh

# The server keeps its side open until the client has closed.
sleep 3 | nc.openbsd -4 -l -N 127.0.0.1 7100 > /tmp/read &
server=$!
wait_for "the server" tcp_socket 7100 LISTEN
# Not before the connection's own packets are done with: as long as ksoftirqd is at them, it gets the
# line, too, and the sender's system call is over before anything comes back.
one_line() {
    wait_for "the connection" tcp_socket 5555 ESTABLISHED
    sleep 0.2
    echo "one line"
}
one_line | nc.openbsd -4 -N -p 5555 127.0.0.1 7100
wait "$server"
echo "read: $(cat /tmp/read)"
