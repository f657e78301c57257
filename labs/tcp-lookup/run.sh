#!/bin/sh
# The exercise: the wire (wire.json) sends two SYNs, one to a socket that listens and one to a port
# that nobody has; then two connections over loopback from one and the same port, the second while
# the first is in TIME-WAIT.
set -e

# The value of one counter of the kernel's TCP statistics.
tcp_counter() {
    awk -v name="$1" '
        $1 == "Tcp:" && !column { for (i = 2; i <= NF; i++) if ($i == name) column = i; next }
        $1 == "Tcp:" { print $column }' /proc/net/snmp
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

# /proc/net/tcp writes ports and states in hexadecimal: 7000 is 1B58, 7100 is 1BBC, 5555 is 15B3;
# 06 is TIME_WAIT, 0A is LISTEN.
listens() { grep -q ":$1 00000000:0000 0A" /proc/net/tcp; }
in_time_wait() { grep -q ":1BBC 0100007F:15B3 06" /proc/net/tcp; }
refused() { [ "$(tcp_counter OutRsts)" -ge 1 ]; }

nc.openbsd -4 -l 10.0.2.15 7000 < /dev/null &
listener=$!
wait_for "the listening socket" listens 1B58
# Something that the wire sees: it begins when the socket listens.
ping -c 1 -W 1 10.0.2.2 > /tmp/ping || true
wait_for "the SYN that nobody wants" refused
echo "refused: $(tcp_counter OutRsts)"
kill "$listener"

# The server's end of the connection is closed first, so it is the server's that stays in TIME-WAIT.
sleep 1 | nc.openbsd -4 -l -N 127.0.0.1 7100 > /tmp/first &
wait_for "the server" listens 1BBC
(echo "first"; sleep 2) | nc.openbsd -4 -N -p 5555 127.0.0.1 7100
wait_for "TIME-WAIT" in_time_wait
echo "$(cat /tmp/first) connection: in TIME-WAIT"

# Nothing is sent over the second one, so that there is one segment with data to look at.
nc.openbsd -4 -l -N 127.0.0.1 7100 < /dev/null &
wait_for "the second server" listens 1BBC
nc.openbsd -4 -N -p 5555 127.0.0.1 7100 < /dev/null
wait
echo "second connection: done"
