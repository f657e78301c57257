#!/bin/sh
# Brings the network up with IPv6 alone, and waits until nothing is said any more. Not recorded.
. /labs/common.sh
ip link set lo up
# The address is the guest's at once, without asking whether somebody else has it.
sysctl -w net.ipv6.conf.eth0.accept_dad=0 > /dev/null
ip link set eth0 up
ip -6 address add fd00::15/64 dev eth0
# Groups are reported a second time after a second.
sleep 3
