#!/bin/sh
# The exercise: one processor asks the wire (wire.json) and is answered, then the other; then the
# card gets one pair of queues, two again, and the second processor is sent to the first one's queue.
. /labs/common.sh

udp_reader

# ask MASK PORT: from a processor (1: the first, 2: the second) and a port, until the answer came.
ask() { echo "question" | taskset "$1" nc.openbsd -4 -u -W 1 -p "$2" 10.0.2.2 7000; }

# queues: how many pairs are in use, and which processor each one's interrupts go to.
queues() {
    echo "pairs: $(ethtool -l eth0 | awk '/Combined/ { now = $2 } END { print now }')"
    for pair in 0 1; do
        interrupt=$(awk -v name="virtio.-input.$pair" '$NF ~ name { sub(":", "", $1); print $1 }' /proc/interrupts)
        echo "  pair $pair: interrupts to $(cat "/proc/irq/$interrupt/effective_affinity_list"), sent to by $(cat "/sys/class/net/eth0/queues/tx-$pair/xps_cpus" 2> /dev/null || echo nobody)"
    done
}

queues
ask 1 5000
ask 2 5001
echo "next" | taskset 1 nc.openbsd -4 -u -q 0 -p 5009 10.0.2.2 7009
wait_for "the datagrams that nobody asked for" grep -q "second" /tmp/read

ethtool -L eth0 combined 1
queues
ask 2 5002

ethtool -L eth0 combined 2
echo 3 > /sys/class/net/eth0/queues/tx-0/xps_cpus
echo 0 > /sys/class/net/eth0/queues/tx-1/xps_cpus
queues
ask 2 5003
ethtool -x eth0 2>&1 | grep -q "not supported" && echo "RSS: not supported"
kill "$reader"
