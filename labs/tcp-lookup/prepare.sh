#!/bin/sh
# Brings the network up; the wire is a script that answers no ARP. Not recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
# Each segment over loopback is acknowledged at once: whether one waits for company is a matter of time.
/bin/ip route change table local local 127.0.0.1 dev lo scope host src 127.0.0.1 quickack 1
