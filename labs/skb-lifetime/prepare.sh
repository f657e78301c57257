#!/bin/sh
# Brings the network up, sets two traps for packets, and has one copied. Not recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
# This network is reached by another way than eth0: who sends from there through eth0 is lying.
ip route add 192.168.77.0/24 dev lo
sysctl -w net.ipv4.conf.all.rp_filter=1 > /dev/null
nft -f - <<RULES
table ip trap {
    chain in {
        type filter hook input priority 0;
        udp dport 6003 drop
        udp sport 7020 dup to 10.0.2.2 device "eth0"
    }
}
RULES
