#!/bin/sh
# The exercise: a client's connection to the wire's server, then a connection of the wire's client to
# the guest's server (wire.json).
. /labs/common.sh

# nc shuts its side down (FIN) two seconds after the line, when the answer has come.
(echo "good day"; sleep 2) | nc.openbsd -4 -N 10.0.2.2 80 > /tmp/answer
echo "the server: $(cat /tmp/answer)"

# The server keeps its side open until the client has closed.
sleep 3 | nc.openbsd -4 -l -N 10.0.2.15 6100 > /tmp/request &
server=$!
wait_for "the guest's server" tcp_socket 6100 LISTEN
# Something that the wire sees: it begins when the socket listens.
ping -c 1 -W 1 10.0.2.2 > /tmp/ping || true
wait "$server"
echo "the client: $(cat /tmp/request)"
