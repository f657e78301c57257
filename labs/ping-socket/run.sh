#!/bin/sh
# The exercise: two pings by Debian's ping, which asks for a ping socket first and would take a raw
# socket only where it gets none. The eight bytes are too few for it to put the time in.
. /labs/common.sh

/bin/ping -4 -n -c 1 -s 8 -W 20 10.0.2.2 | grep -E "bytes from|transmitted" | sed "s/, time.*//"
/bin/ping -6 -n -c 1 -s 8 -W 20 fd00::2 | grep -E "bytes from|transmitted" | sed "s/, time.*//"
