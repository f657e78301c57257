#!/bin/sh
# The exercise: the guest asks the wire (wire.json) for a datagram, twice, the second time with RPS;
# then it opens a TCP connection.
. /labs/common.sh

nc.openbsd -6 -u -l -k fd00::15 6000 > /tmp/read &
reader=$!
wait_for "the reader's socket" grep -q ":1770 " /proc/net/udp6
ask() { echo "next" | nc.openbsd -6 -u -q 0 -p 5000 fd00::2 7000; }

ask
wait_for "the datagram on the list path" grep -q "list" /tmp/read
refused() { [ "$(awk '$1 == "Icmp6OutDestUnreachs" { print $2 }' /proc/net/snmp6)" -ge 1 ]; }
wait_for "the datagram that nobody wants" refused

echo 1 > /sys/class/net/eth0/queues/rx-0/rps_cpus
ask
wait_for "the datagram on the single path" grep -q "single" /tmp/read
echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus
kill "$reader"
cat /tmp/read

# nc shuts its side down (FIN) when the answer has come.
{
    echo "good day"
    wait_for "the server's answer" has_line /tmp/answer
} | nc.openbsd -6 -N -p 5080 fd00::2 80 > /tmp/answer
echo "the server: $(cat /tmp/answer)"
