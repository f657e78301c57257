#!/bin/sh
# Brings the network up. Not recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2

# One ping ahead of the recorded one: it resolves the gateway's MAC address, so that the recorded
# echo request does not wait in the neighbour's queue but goes out within the sender's system call.
ping -c 1 -W 10 10.0.2.2
