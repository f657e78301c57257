#!/bin/sh
# The exercise: the guest puts a program (decide.bpf.c) in front of its network stack; the wire
# (wire.json) sends three datagrams, twice.
. /labs/common.sh

udp_reader

# three WORD: one to be dropped, one to be sent back; when that came back the wire sends the third.
three() {
    ask_for_one
    ask_for_one
    wait_for "the datagram \"$1\"" grep -q "$1" /tmp/read
}

/bin/ip link set dev eth0 xdpdrv object /lab/decide.bpf.o section xdp
three "native"
/bin/ip link set dev eth0 xdpdrv off

/bin/ip link set dev eth0 xdpgeneric object /lab/decide.bpf.o section xdp
three "generic"
/bin/ip link set dev eth0 xdpgeneric off
cat /tmp/read
kill "$reader"
