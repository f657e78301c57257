#!/bin/sh
# The exercise: the wire (wire.json) sends a datagram, another one, twelve and a hundred.
. /labs/common.sh

udp_reader
came() { [ $(( $(counter Udp InDatagrams) + $(counter Udp RcvbufErrors) )) -ge "$1" ]; }
# ask NUMBER: something that the wire sees, and answers with what it has next; then so many
# datagrams have come. Nothing is sent before the guest is done with what came before.
ask() {
    ping -c 1 -W 1 10.0.2.2 > /tmp/ping &
    wait_for "$1 datagrams" came "$1"
}
ask 1
ask 2
ask 14
ask 114
echo "datagrams: $(counter Udp InDatagrams) received, $(counter Udp RcvbufErrors) too many for the socket"
kill "$reader"
