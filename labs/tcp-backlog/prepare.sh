#!/bin/sh
# Brings the network up; the wire is a script that answers no ARP. Not recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
mkfifo /tmp/server
