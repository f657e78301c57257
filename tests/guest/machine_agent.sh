#!/bin/sh
# Runs the lines that come over the virtio console, one after another, in one shell. Behind the
# output of each: a line "@@@ STATUS".
exec </dev/hvc0 >/dev/hvc0 2>&1
stty raw -echo # when it is open: the last one to close it takes its settings along
echo "@@@ ready"
while read -r line; do
    eval "$line"
    echo "@@@ $?"
done
