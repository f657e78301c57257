#!/bin/sh
# The exercise: the guest sends a datagram and a TCP segment; the wire (wire.json) sends frames of
# several sizes, each when it is asked to.
. /labs/common.sh

udp_reader
next_bytes 80
next_bytes 1080
next_bytes 5080
# The forty come in one poll; each goes up by itself, so that none is the last one of a long list.
echo 1 > /proc/sys/net/core/gro_normal_batch
next_bytes 8280

(echo "in two pieces"; sleep 60) | nc.openbsd -4 -p 5001 10.0.2.2 80 > /tmp/answer &
client=$!
wait_for "the server's answer" has_line /tmp/answer
echo "the server: $(cat /tmp/answer)"
kill "$client" "$reader"
# The FIN that it leaves behind is in the recording, in each run.
client_closed() { ! tcp_socket 5001 ESTABLISHED; }
wait_for "the client's FIN" client_closed
