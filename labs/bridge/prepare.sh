#!/bin/sh
# eth0 and one end of a veth become ports of a bridge, and the bridge gets the guest's address. The
# other end of the veth is a host of its own. Not recorded.
. /labs/common.sh
ip link set lo up
/bin/ip netns add far
/bin/ip link add veth0 type veth peer name veth1 address 52:55:0a:00:02:07 netns far
/bin/ip link add br0 type bridge
/bin/ip link set br0 address "$(cat /sys/class/net/eth0/address)"
for port in eth0 veth0; do
    /bin/ip link set "$port" master br0
    /bin/ip link set "$port" up
done
/bin/ip link set br0 up
/bin/ip address add 10.0.2.15/24 dev br0
/bin/ip neighbour add 10.0.2.2 lladdr 52:55:0a:00:02:02 dev br0
/bin/ip netns exec far sysctl -w net.ipv6.conf.all.disable_ipv6=1 > /dev/null
/bin/ip netns exec far /bin/ip link set veth1 up
/bin/ip netns exec far /bin/ip address add 10.0.2.7/24 dev veth1
# From now on the bridge knows where the far host is.
/bin/ip netns exec far ping -c 1 10.0.2.15 > /dev/null
# The answer made the guest doubt its neighbour's address: it would ask for it five seconds later.
/bin/ip neighbour replace 10.0.2.7 lladdr 52:55:0a:00:02:07 dev br0
