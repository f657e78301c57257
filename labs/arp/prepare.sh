#!/bin/sh
# Brings the network up, and asks nobody for anything: the neighbour table stays empty. Not recorded.
set -e
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
