#!/bin/sh
# The exercise: a line over loopback. What comes back comes within the sender's own system call.
. /labs/common.sh

# The server's input stays open: it closes because the client has.
nc.openbsd -4 -l -N 127.0.0.1 7100 < /tmp/server > /tmp/read &
server=$!
exec 3> /tmp/server
wait_for "the server" tcp_socket 7100 LISTEN
# Not before the connection's own packets are done with: as long as ksoftirqd is at them, it gets the
# line, too, and the sender's system call is over before anything comes back.
ksoftirqd=$(grep -lx "ksoftirqd/0" /proc/[0-9]*/comm)
is_at_rest() { [ "$(awk '{ print $3 }' "${ksoftirqd%comm}stat")" = S ]; }
one_line() {
    wait_for "the connection" tcp_socket 5555 ESTABLISHED
    wait_for "ksoftirqd's rest" is_at_rest
    echo "one line"
}
one_line | nc.openbsd -4 -N -p 5555 127.0.0.1 7100
wait "$server"
echo "read: $(cat /tmp/read)"
