#!/bin/sh
# Brings the network up; the wire is a script that answers neither ARP nor solicitations. Not
# recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
network_up6 fd00::15/64 fd00::2 52:55:0a:00:02:02
