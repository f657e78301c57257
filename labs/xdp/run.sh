#!/bin/sh
# The exercise: the guest puts a program (decide.bpf.c) in front of its network stack; the wire
# (wire.json) sends three datagrams each time that it is asked to, and says when one came back.
. /labs/common.sh

nc.openbsd -4 -u -l -k 10.0.2.15 6000 > /tmp/read &
reader=$!
udp_bound() { grep -q ":1770 " /proc/net/udp; }
wait_for "the reader's socket" udp_bound

# next WORD: asks the wire for what comes next, and waits until the reader has read WORD.
next() {
    echo "next" | nc.openbsd -4 -u -q 0 -p 5000 10.0.2.2 7000
    wait_for "the datagram \"$1\"" grep -q "$1" /tmp/read
}

/bin/ip link set dev eth0 xdpdrv object /lab/decide.bpf.o section xdp
next "native"
/bin/ip link set dev eth0 xdpdrv off

/bin/ip link set dev eth0 xdpgeneric object /lab/decide.bpf.o section xdp
next "generic"
/bin/ip link set dev eth0 xdpgeneric off
cat /tmp/read
kill "$reader"
