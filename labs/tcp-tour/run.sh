#!/bin/sh
# The exercise: a client's connection to the wire's server, then a connection of the wire's client to
# the guest's server. The wire (wire.json) goes on when it is asked to (ask_wire), so that each segment
# has a poll of its own on a slow machine, too.
. /labs/common.sh

# Each end sends FIN when its standard input ends: 3 is the client's, 4 the server's.
segments=$(counter Tcp InSegs)
nc.openbsd -4 -N 10.0.2.2 80 < /tmp/client > /tmp/answer &
client=$!
exec 3> /tmp/client
echo "good day" >&3
wait_for "the acknowledgement" counts Tcp InSegs $((segments + 2))
ask_wire
wait_for "the answer" has_line /tmp/answer
exec 3>&-
wait "$client"
echo "the server: $(cat /tmp/answer)"

# The server's input stays open: it closes because the other side has.
nc.openbsd -4 -l 10.0.2.15 6100 < /tmp/server > /tmp/request &
server=$!
exec 4> /tmp/server
wait_for "the guest's server" tcp_socket 6100 LISTEN
ask_wire
wait_for "the connection" tcp_socket 6100 ESTABLISHED
ask_wire
wait_for "the request" has_line /tmp/request
segments=$(counter Tcp InSegs)
ask_wire
wait "$server"
wait_for "the end of LAST-ACK" counts Tcp InSegs $((segments + 2))
echo "the client: $(cat /tmp/request)"
