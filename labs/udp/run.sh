#!/bin/sh
# The exercise: the wire (wire.json) answers the connected socket's datagram, then sends one to the
# waiting socket and one to a port that nobody has.
set -e

# The value of one counter of the kernel's statistics: counter PROTOCOL NAME
counter() {
    awk -v protocol="$1:" -v name="$2" '
        $1 == protocol && !column { for (i = 2; i <= NF; i++) if ($i == name) column = i; next }
        $1 == protocol { print $column }' /proc/net/snmp
}

# wait_for "WHAT" COMMAND…
wait_for() {
    what="$1"
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 200 ]; then
            echo "$what did not come within 20 s" >&2
            exit 1
        fi
        sleep 0.1
    done
}
has_line() { [ -s "$1" ]; }
refused() { [ "$(counter Udp NoPorts)" -ge 1 ] && [ "$(counter Icmp OutDestUnreachs)" -ge 1 ]; }

# A socket that waits for anybody: bound, not connected.
nc.openbsd -4 -u -l 10.0.2.15 6000 > /tmp/waiting &
waiting=$!

# A connected socket. nc calls connect() and writes what it reads; the wire answers.
(echo "hello"; sleep 60) | nc.openbsd -4 -u -p 5000 10.0.2.2 7000 > /tmp/connected &
connected=$!
wait_for "the answer to the connected socket" has_line /tmp/connected
echo "connected: $(cat /tmp/connected)"

wait_for "the datagram for the waiting socket" has_line /tmp/waiting
echo "waiting: $(cat /tmp/waiting)"

wait_for "the datagram that nobody wants" refused
echo "nobody: $(counter Icmp OutDestUnreachs) port(s) unreachable"

# An unconnected socket: traceroute names the destination with each sendto().
traceroute -n -q 1 -m 1 -w 1 -p 9000 10.0.2.2 > /tmp/traceroute || true
kill "$waiting" "$connected"
