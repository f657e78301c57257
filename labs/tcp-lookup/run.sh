#!/bin/sh
# The exercise: the wire (wire.json) sends two SYNs, one to a socket that listens and one to a port
# that nobody has; then two connections over loopback from one and the same port, the second while
# the first is in TIME-WAIT.
. /labs/common.sh

nc.openbsd -4 -l 10.0.2.15 7000 < /dev/null &
listener=$!
wait_for "the listening socket" tcp_socket 7000 LISTEN
# Something that the wire sees: it begins when the socket listens.
ping -c 1 -W 1 10.0.2.2 > /tmp/ping || true
wait_for "the SYN that nobody wants" counts Tcp OutRsts 1
echo "refused: $(counter Tcp OutRsts)"
kill "$listener"
# Its end would interrupt the shell while that opens the server's input below.
wait "$listener" 2> /dev/null || true

# The server's end of the connection is closed first, so it is the server's that stays in TIME-WAIT.
# Each end closes when its standard input does: 3 is the server's, 4 the client's.
mkfifo /tmp/server /tmp/client
nc.openbsd -4 -l -N 127.0.0.1 7100 < /tmp/server > /tmp/first &
exec 3> /tmp/server
wait_for "the server" tcp_socket 7100 LISTEN
nc.openbsd -4 -N -p 5555 127.0.0.1 7100 < /tmp/client 3>&- &
exec 4> /tmp/client
echo "first" >&4
wait_for "the client's line" has_line /tmp/first
exec 3>&-
wait_for "the server's FIN and its acknowledgement" tcp_socket 7100 FIN_WAIT2
exec 4>&-
wait_for "TIME-WAIT" tcp_socket 7100 TIME_WAIT
echo "$(cat /tmp/first) connection: in TIME-WAIT"

# Nothing is sent over the second one, so that there is one segment with data to look at. Its client
# closes first: both at once would meet in another way in each run.
nc.openbsd -4 -l -N 127.0.0.1 7100 < /tmp/server &
exec 3> /tmp/server
wait_for "the second server" tcp_socket 7100 LISTEN
nc.openbsd -4 -N -p 5555 127.0.0.1 7100 < /dev/null 3>&-
exec 3>&-
wait
echo "second connection: done"
