#!/bin/sh
# Runs the lines that come over the second serial port, one after another, in one shell. Behind the
# output of each: a line "@@@ STATUS".
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo "@@@ ready"
while read -r line; do
    eval "$line"
    echo "@@@ $?"
done
