#!/bin/sh
# The exercise: the wire (wire.json) answers the connected socket's datagram, then sends one to the
# waiting socket and one to a port that nobody has.
. /labs/common.sh

refused() { [ "$(counter Udp NoPorts)" -ge 1 ] && [ "$(counter Icmp OutDestUnreachs)" -ge 1 ]; }

# A socket that waits for anybody: bound, not connected.
nc.openbsd -4 -u -l 10.0.2.15 6000 > /tmp/waiting &
waiting=$!
wait_for "the waiting socket" grep -q ":1770 " /proc/net/udp

# A connected socket. nc calls connect() and writes what it reads; the wire answers.
(echo "hello"; sleep 60) | nc.openbsd -4 -u -p 5000 10.0.2.2 7000 > /tmp/connected &
connected=$!
wait_for "the answer to the connected socket" has_line /tmp/connected
echo "connected: $(cat /tmp/connected)"

ask_for_one
wait_for "the datagram for the waiting socket" has_line /tmp/waiting
echo "waiting: $(cat /tmp/waiting)"

ask_for_one
wait_for "the datagram that nobody wants" refused
echo "nobody: $(counter Icmp OutDestUnreachs) port(s) unreachable"

# An unconnected socket: traceroute names the destination with each sendto().
traceroute -n -q 1 -m 1 -w 1 -p 9000 10.0.2.2 > /tmp/traceroute || true
kill "$waiting" "$connected"
