#!/bin/sh
# Two hosts at one switch: the guest with eth0, and a network namespace with eth1. iperf3 talks over
# TCP beside its datagrams; that goes by a cable of its own (a veth), so that the cards have nothing
# but datagrams, and later than these. Not recorded.
. /labs/common.sh
network_up 10.0.5.1/24

# The shell has an ip of its own, which knows less than /bin/ip.
mkdir -p /var/run/netns
/bin/ip netns add far
for devices in all default; do
    /bin/ip netns exec far sysctl -w "net.ipv6.conf.$devices.disable_ipv6=1" > /dev/null
done
/bin/ip link set eth1 netns far
/bin/ip link add veth0 type veth peer name veth1 netns far
/bin/ip link set veth0 up
/bin/ip -n far link set lo up
/bin/ip -n far addr add 10.0.5.2/24 dev eth1
/bin/ip -n far link set eth1 up
/bin/ip -n far link set veth1 up

# by_cable HOST DEVICE [-n NAMESPACE]: TCP (protocol 6) to this host takes the cable.
by_cable() {
    host="$1"
    device="$2"
    shift 2
    /bin/ip "$@" route add "$host" dev "$device" table 100
    /bin/ip "$@" rule add ipproto 6 lookup 100
}
by_cable 10.0.5.2 veth0
by_cable 10.0.5.1 veth1 -n far
/bin/tc qdisc add dev veth0 root netem delay 100ms

# All know each other, so that no question goes ahead of the packets.
for kind in eth veth; do
    there="$(/bin/ip netns exec far cat "/sys/class/net/${kind}1/address")"
    /bin/ip neigh replace 10.0.5.2 lladdr "$there" dev "${kind}0"
    /bin/ip -n far neigh replace 10.0.5.1 lladdr "$(cat "/sys/class/net/${kind}0/address")" dev "${kind}1"
done
