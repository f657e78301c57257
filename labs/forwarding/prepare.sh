#!/bin/sh
# Makes the guest a router between eth0, eth1 and veth0. At eth1's wire is the host 10.0.4.9; the
# other end of veth0 is the host 10.0.3.7, which is a network namespace. Not recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
ip link set eth1 up
ip address add 10.0.4.1/24 dev eth1
arp -s 10.0.4.9 52:55:0a:00:04:09
sysctl -w net.ipv4.ip_forward=1 > /dev/null

# The shell has an ip of its own, which knows less than /bin/ip.
mkdir -p /var/run/netns
/bin/ip netns add far
/bin/ip link add veth0 mtu 1000 type veth peer name veth1 netns far
/bin/ip addr add 10.0.3.1/24 dev veth0
/bin/ip link set veth0 up
/bin/ip -n far link set lo up
/bin/ip -n far addr add 10.0.3.7/24 dev veth1
/bin/ip -n far link set veth1 mtu 1000 up
/bin/ip -n far route add default via 10.0.3.1
# Both ends know each other, so that no question goes ahead of the packets.
/bin/ip neigh replace 10.0.3.7 lladdr "$(/bin/ip netns exec far cat /sys/class/net/veth1/address)" dev veth0
/bin/ip -n far neigh replace 10.0.3.1 lladdr "$(cat /sys/class/net/veth0/address)" dev veth1
