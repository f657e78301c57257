#!/bin/sh
# The exercise: one datagram out; then the wire (wire.json) sends one in, one for a port that a rule
# drops, one through, and one for a port that a rule rewrites.
. /labs/common.sh

udp_reader
(echo "out"; sleep 60) | nc.openbsd -4 -u -p 5000 10.0.2.2 7000 > /tmp/answer &
sender=$!
wait_for "the datagram for the guest" has_line /tmp/read
ask_for_one
ask_for_one
has_rewritten() { grep -q rewritten /tmp/read; }
wait_for "the rewritten datagram" has_rewritten
cat /tmp/read
nft list table ip watch | awk '/chain/ { chain = $2 } /counter/ { sub(/^.*counter packets /, ""); print chain ": " $1 }'
kill "$reader" "$sender"
