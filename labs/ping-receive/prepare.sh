#!/bin/sh
# Brings the network up. Not recorded.
set -e
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2

# One ping ahead of the recorded one: it resolves the gateway's MAC address, so that the recorded
# echo request does not wait in the neighbour's queue but goes out within the sender's system call.
ping -c 1 -W 10 10.0.2.2
