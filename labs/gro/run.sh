#!/bin/sh
# The exercise: the wire (wire.json) is a server that answers with segments as GRO likes them, and as
# it does not.
. /labs/common.sh

# Left to the end of the guest: the wire would not answer its FIN, which would be sent again.
(echo "all of it"; sleep 60) | nc.openbsd -4 10.0.2.2 80 > /tmp/answer &
has_bytes() { [ "$(wc -c < /tmp/answer)" -ge "$1" ]; }
wait_for "the first fifteen segments" has_bytes 15000
echo "received: $(wc -c < /tmp/answer) bytes"

# From now on GRO holds what it has for a second after a poll, for there may be more: if no tick of
# the clock (4 ms) fell into the poll, for what is older goes up at once. An idle processor has no
# ticks, so this one sleeps when the segments come. The wire sends two for each datagram, until two
# came a second late. It waits before it does for longer than that, so that no timer of the poll before
# is left.
echo 1000000000 > /sys/class/net/eth0/gro_flush_timeout
echo 1 > /sys/class/net/eth0/napi_defer_hard_irqs
hundredths() { cut -d " " -f 1 /proc/uptime | tr -d .; }
had=15000
late=
until [ "$late" ]; do
    if [ "$had" -ge 31000 ]; then
        echo "of eight pairs GRO held none" >&2
        exit 1
    fi
    had=$((had + 2000))
    asked=$(hundredths)
    ask_wire
    sleep 1.4
    wait_for "two segments more" has_bytes "$had"
    [ $(($(hundredths) - asked)) -lt 200 ] || late=yes
done
echo "received: $(wc -c < /tmp/answer) bytes"
