#!/bin/sh
# Brings the network up. Not recorded.
set -e
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
# The wire is a script that answers no ARP: the gateway's MAC address is given.
arp -s 10.0.2.2 52:55:0a:00:02:02
