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
sent=4
all_sent "at most 4000000 bytes under way" $sent
# fill_ring: more than there is room for, and one behind it. Fails if the NIC read of it before all
# was written, as it may on a busy machine: a second is short then.
fill_ring() {
    send 5003 < /tmp/much
    echo "behind" | send 5004
    ! read_by_nic $((sent + 1))
}
tries=1
until fill_ring; do
    if [ $tries -ge 5 ]; then
        echo "the NIC read the ring before it was full, $tries times" >&2
        exit 1
    fi
    tries=$((tries + 1))
    sent=$((sent + 253))
    wait_for "$sent packets" read_by_nic $sent
done
sent=$((sent + 253))
all_sent "fq_codel, a full ring" $sent

# The shell has a tc of its own, which knows less than /bin/tc.
/bin/tc qdisc replace dev eth0 root tbf rate 2kbit burst 500 limit 10000
head -c 400 /dev/zero | send 5005
head -c 400 /dev/zero | send 5006
sent=$((sent + 2))
all_sent "tbf" $sent

/bin/tc qdisc replace dev eth0 root prio
limit 1
sent=$((sent + 1))
all_sent "at most 1 byte under way" $sent
echo "in the way" | send 5007
echo "bulk" | send 5008 -T throughput
echo "urgent" | send 5009 -T lowdelay
sent=$((sent + 3))
all_sent "prio" $sent
