#!/bin/sh
# Brings the network up; the wire swallows everything and answers no ARP. Not recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
/bin/tc qdisc replace dev eth0 root fq_codel
# As many bytes as one write of nc takes, 21 times: 12 fragments each.
head -c 344064 /dev/zero > /tmp/much
