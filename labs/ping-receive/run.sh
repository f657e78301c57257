#!/bin/sh
# The exercise: ping the gateway, then be pinged by it. (The second echo request that the wire sees
# makes it send one of its own: wire.json.)
set -e

# The value of one counter of the kernel's ICMP statistics.
icmp_counter() {
    awk -v name="$1" '
        $1 == "Icmp:" && !column { for (i = 2; i <= NF; i++) if ($i == name) column = i; next }
        $1 == "Icmp:" { print $column }' /proc/net/snmp
}

ping -c 1 -W 10 10.0.2.2

tries=0
until [ "$(icmp_counter OutEchoReps)" -ge 1 ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ]; then
        echo "the wire's echo request did not come within 20 s" >&2
        exit 1
    fi
    sleep 0.1
done
echo "answered $(icmp_counter OutEchoReps) echo request(s) of the wire"
