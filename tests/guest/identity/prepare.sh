#!/bin/sh
# Addresses and rules. eth0 stays down: the wire begins to play when the driver gives buffers.
set -e
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
nft -f - <<'RULES'
table ip serials {
    chain input {
        type filter hook input priority filter
        udp dport 5001 drop
    }
    chain postrouting {
        type nat hook postrouting priority srcnat
        ip daddr 10.9.0.0/16 snat to 10.0.2.15
    }
}
RULES
