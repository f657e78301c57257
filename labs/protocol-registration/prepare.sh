#!/bin/sh
# Brings the network up. Not recorded. What this lab is about happened before.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
