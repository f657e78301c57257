#!/bin/sh
# The exercise: what a system administrator does to a network card. The shell has an ip of its own,
# which knows less than /bin/ip.
. /labs/common.sh

/bin/ip link set eth0 mtu 1400
echo "mtu: $(cat /sys/class/net/eth0/mtu)"

/bin/ip link set eth0 address 52:54:00:73:6b:63
echo "address: $(cat /sys/class/net/eth0/address)"

/bin/ip link set eth0 promisc on
echo "flags: $(cat /sys/class/net/eth0/flags)"

/bin/ip -s link > /tmp/statistics
echo "statistics: $(wc -l < /tmp/statistics) lines"

echo "channels: $(ethtool -l eth0 | awk '/Combined/ { now = $2 } END { print now }')"
ethtool -K eth0 rx-gro-hw off
ethtool -K eth0 tso off
ethtool -k eth0 | grep -E '^(rx-gro-hw|tcp-segmentation-offload):'
ethtool -G eth0 rx 64 2> /tmp/refused || echo "ring size: refused"

/bin/ip link set eth0 down
echo "down: $(cat /sys/class/net/eth0/operstate)"
/bin/ip link set eth0 up
up() { [ "$(cat /sys/class/net/eth0/operstate)" = up ]; }
wait_for "the device" up
echo "up: $(cat /sys/class/net/eth0/operstate)"
