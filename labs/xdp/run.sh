#!/bin/sh
# The exercise: the guest puts a program (decide.bpf.c) in front of its network stack; the wire
# (wire.json) sends three datagrams each time that it is asked to, and says when one came back.
. /labs/common.sh

udp_reader

/bin/ip link set dev eth0 xdpdrv object /lab/decide.bpf.o section xdp
next "native"
/bin/ip link set dev eth0 xdpdrv off

/bin/ip link set dev eth0 xdpgeneric object /lab/decide.bpf.o section xdp
next "generic"
/bin/ip link set dev eth0 xdpgeneric off
cat /tmp/read
kill "$reader"
