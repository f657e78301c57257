#!/bin/sh
# Brings the network up with IPv6 alone; the wire is a script that answers no solicitation. Not
# recorded.
. /labs/common.sh
network_up6 fd00::15/64 fd00::2 52:55:0a:00:02:02
