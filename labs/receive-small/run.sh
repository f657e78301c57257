#!/bin/sh
# The exercise: the wire (wire.json) sends frames of several sizes, each when it is asked to.
. /labs/common.sh

udp_reader
has_bytes() { [ "$(wc -c < /tmp/read)" -ge "$1" ]; }

# next_bytes NUMBER: asks the wire for what comes next, and waits until so much was read in all.
next_bytes() {
    ask_wire
    wait_for "$1 bytes" has_bytes "$1"
    echo "$(wc -c < /tmp/read) bytes read"
}

next_bytes 80
next_bytes 1552
# The forty come in one poll; each goes up by itself, so that none is the last one of a long list.
echo 1 > /proc/sys/net/core/gro_normal_batch
next_bytes 4752
kill "$reader"
