# The tracers, each as its manual says, in the guest of the benchmark. What a function prints last is
# a number; one that fails says why, in its last line.
export TERM=dumb HOME=/run
tracing=/sys/kernel/tracing
mountpoint -q $tracing || mount -t tracefs tracefs $tracing
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
ulimit -l unlimited
BPFTRACE_MAX_PROBES=4096
export BPFTRACE_MAX_PROBES
limit=100 # seconds that a tracer may take to start, or to end

now() { cut -d ' ' -f 1 /proc/uptime; }
since() { awk "BEGIN { printf \"%.2f\\n\", $(now) - $1 }"; }

# What ping and TCP run through, for the tracers that must be told.
peers_functions='ip_* icmp_* raw_* tcp_* dev_* netif_* __netif_* napi_* skb_* sock_*'

# The command under which bpftrace and trace-cmd record: they start it when they are ready.
cat >/run/ready <<'END'
#!/bin/sh
echo $$ >/run/ready.pid
echo started
exec sleep 100000
END
chmod +x /run/ready

launch() {
    case $1 in
        skbtrail-collect) exec skbtrail-collect $collect_options --status-fd 2 -o /run/out 'icmp or tcp' ;;
        pwru) exec pwru --output-tuple --output-meta --timestamp absolute --output-file /run/out 'icmp or tcp' ;;
        bpftrace)
            probes=
            for one in $peers_functions; do probes="$probes${probes:+,}kprobe:$one"; done
            exec bpftrace -o /run/out -c "/bin/sh /run/ready" \
                -e "$probes { printf(\"%d %s %p %p\\n\", nsecs, func, arg0, arg1); }" ;;
        trace-cmd)
            set --
            for one in $peers_functions; do set -- "$@" -l "$one"; done
            exec trace-cmd record -o /run/t.dat -p function_graph "$@" /run/ready ;;
    esac
}

# Ends what is still there after the limit; asleep otherwise, as this shell is: nothing looks at
# the tracer again and again, which would take the processor from it.
guard() {
    (sleep $limit; echo "it took more than $limit s" >>/run/said; kill -KILL "$tracer") &
    guardian=$!
}
unguard() {
    kill $guardian
    wait $guardian
} 2>/dev/null

# start WHO: seconds until it records.
start() {
    rm -f /run/said /run/out* /run/t.dat* /run/ready.pid /run/fifo
    mkfifo /run/fifo
    case $1 in pwru) word=Listening ;; *) word=started ;; esac
    began=$(now)
    launch "$1" </dev/null >/run/fifo 2>&1 &
    tracer=$!
    guard
    exec 3</run/fifo
    found=
    while read -r line <&3; do
        echo "$line" >>/run/said
        case $line in *$word*) found=yes; break ;; esac
    done
    took=$(since "$began")
    unguard
    cat <&3 >>/run/said &
    exec 3<&-
    if [ -z $found ]; then
        wait $tracer
        echo "$1 did not start (status $?): $(tail -n 1 /run/said)"
        return 1
    fi
    echo "$took"
}

# stop WHO: seconds until all is in the guest's files.
stop() {
    began=$(now)
    guard
    # These two end with their command, whatever becomes of it.
    case $1 in
        bpftrace | trace-cmd) kill "$(cat /run/ready.pid)" ;;
        *) kill -INT $tracer ;;
    esac
    wait $tracer
    status=$?
    took=$(since "$began")
    unguard
    # Theirs is the command's: it was killed.
    case $1 in bpftrace | trace-cmd) [ $status = 137 ] || status=0 ;; esac
    if [ $status != 0 ]; then
        echo "$1 ended with status $status: $(tail -n 1 /run/said)"
        return 1
    fi
    echo "$took"
}

# KiB that the tracer and its children have had resident, each at its most.
memory() { cat /proc/[0-9]*/status 2>/dev/null | awk '
    /^Name:/ { name = $2 }
    /^VmHWM:/ && name ~ /^(skbtrail-collec|pwru|bpftrace|trace-cmd)/ { sum += $2 }
    END { print sum + 0 }'; }

# Mean round trip in us, of so many pings, each sent when the one before is back.
flood() { /bin/ping.iputils -f -q -c "$1" -W 5 10.0.2.2 | awk -F / '/^rtt/ { printf "%.1f\n", $5 * 1000 }'; }

# tcp SECONDS PORT: Mbit/s from the guest.
tcp() { iperf3 --client 10.0.2.2 --port "$2" --time "$1" --format m |
    awk '/receiver/ { for (i = 1; i < NF; ++i) if ($(i + 1) ~ /bits/) print $i }'; }

# Packets that the interface has sent and received: what the driver was given, before GRO and after
# the kernel's own segmentation.
frames() { awk '{ n += $1 } END { print n }' /sys/class/net/eth0/statistics/[rt]x_packets; }

of_status() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" /run/said | tail -n 1; }

# How much the tracer wrote: packets, or lines.
written() {
    case $1 in
        skbtrail-collect) of_status packets ;;
        bpftrace) grep -c ' icmp_' /run/out ;;
        *) grep -c . /run/out ;;
    esac
}

# What it says that it lost.
lost() {
    case $1 in
        skbtrail-collect) of_status lost ;;
        bpftrace) sed -n 's/^Lost \([0-9]*\) events.*/\1/p' /run/said | awk '{ n += $1 } END { print n + 0 }' ;;
        *) grep -ci lost /run/said ;;
    esac
    return 0
}
