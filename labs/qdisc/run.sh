#!/bin/sh
# The exercise: datagrams through three queueing disciplines. The NIC looks at the ring a second after
# it is told to (lab.json), so what was handed to it stays under way for that long.
. /labs/common.sh

# send PORT [OPTION…]: one datagram from this port, of what stands on the standard input.
send() {
    port="$1"
    shift
    nc.openbsd -4 -u -q 0 -p "$port" "$@" 10.0.2.2 7000
}
read_by_nic() { [ "$(cat /sys/class/net/eth0/statistics/tx_packets)" -ge "$1" ]; }
# all_sent NAME NUMBER: waits until the NIC has read so many packets since it came up.
all_sent() {
    wait_for "$1: $2 packets" read_by_nic "$2"
    echo "$1: $2 packets sent"
}
# limit BYTES: so much may be under way, whatever BQL thinks of it.
limit() {
    bql=/sys/class/net/eth0/queues/tx-0/byte_queue_limits
    echo 0 > $bql/limit_min
    echo "$1" > $bql/limit_max
    echo "$1" > $bql/limit_min
    # BQL looks at that when the NIC has read something.
    echo "new limits" | send 5000
}

limit 1
all_sent "at most 1 byte under way" 1
echo "first" | send 5001
echo "second" | send 5002
all_sent "fq_codel, BQL" 3

limit 4000000
all_sent "at most 4000000 bytes under way" 4
send 5003 < /tmp/much
echo "behind" | send 5004
all_sent "fq_codel, a full ring" 257

# The shell has a tc of its own, which knows less than /bin/tc.
/bin/tc qdisc replace dev eth0 root tbf rate 8kbit burst 500 limit 10000
head -c 400 /dev/zero | send 5005
head -c 400 /dev/zero | send 5006
all_sent "tbf" 259

/bin/tc qdisc replace dev eth0 root prio
limit 1
all_sent "at most 1 byte under way" 260
echo "in the way" | send 5007
echo "bulk" | send 5008 -T throughput
echo "urgent" | send 5009 -T lowdelay
all_sent "prio" 263
