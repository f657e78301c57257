#!/bin/sh
# The exercise: the guest sends a datagram and a TCP segment; the wire (wire.json) sends frames of
# several sizes, each when it is asked to.
. /labs/common.sh

nc.openbsd -4 -u -l -k 10.0.2.15 6000 > /tmp/read &
reader=$!
udp_bound() { grep -q ":1770 " /proc/net/udp; }
wait_for "the reader's socket" udp_bound
has_bytes() { [ "$(wc -c < /tmp/read)" -ge "$1" ]; }

# next BYTES: asks the wire for what comes next, and waits until so much was read in all.
next() {
    echo "next" | nc.openbsd -4 -u -q 0 -p 5000 10.0.2.2 7000
    wait_for "$1 bytes" has_bytes "$1"
    echo "$(wc -c < /tmp/read) bytes read"
}

next 80
next 1080
next 5080
# The forty come in one poll; each goes up by itself, so that none is the last one of a long list.
echo 1 > /proc/sys/net/core/gro_normal_batch
next 8280

(echo "in two pieces"; sleep 60) | nc.openbsd -4 -p 5001 10.0.2.2 80 > /tmp/answer &
client=$!
wait_for "the server's answer" has_line /tmp/answer
echo "the server: $(cat /tmp/answer)"
kill "$client" "$reader"
