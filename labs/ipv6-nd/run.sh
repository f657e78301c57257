#!/bin/sh
# The exercise: a ping to a neighbour that is not known yet. The wire (wire.json) says where it is,
# answers, and later asks for the guest's own address.
. /labs/common.sh

ping -6 -c 1 -W 10 fd00::2 | grep "packets transmitted"
is_neighbour() { ip -6 neigh | grep -q "^$1 "; }
wait_for "the wire's neighbour solicitation" is_neighbour fd00::3
ip -6 neigh | awk '{ print $1, $4, $5 }' | sort
