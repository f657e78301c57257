#!/bin/sh
# Brings the network up with IPv6 alone, and waits until nothing is said any more. Not recorded.
. /labs/common.sh
address_up6 fd00::15/64
