#!/bin/sh
# Brings the network up, and a rule in each hook. Not recorded.
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2 52:55:0a:00:02:02
# Another network on the same wire, which the guest is a router for.
ip address add 10.0.3.1/24 dev eth0
arp -s 10.0.3.7 52:55:0a:00:03:07
sysctl -w net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0 > /dev/null
nft -f - <<RULES
table ip watch {
    chain prerouting {
        type filter hook prerouting priority filter;
        udp sport 7001 counter accept
    }
    chain input {
        type filter hook input priority filter;
        udp dport 6003 counter drop
        udp sport 7001 counter accept
    }
    chain forward {
        type filter hook forward priority filter;
        udp dport 6001 counter accept
    }
    chain output {
        type filter hook output priority filter;
        udp dport 7000 counter accept
    }
    chain postrouting {
        type filter hook postrouting priority filter;
        udp dport 7000 counter accept
    }
}
table ip rewrite {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        udp dport 8000 dnat to 10.0.2.15:6000
    }
}
RULES
