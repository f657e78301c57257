# What the scripts of labs share; the guest has it as /labs/common.sh. Each begins with
#     . /labs/common.sh
#
# The guest's shell is busybox's, which prefers its own applets to programs of the same name: `ip`
# and `tc` are the applets, which know less. A lab that lists the real ones in its "programs" calls
# them by their paths, /bin/ip and /bin/tc.

set -e

# network_up ADDRESS/LENGTH [GATEWAY [MAC]]: loopback and eth0 are up. With a MAC address the gateway
# is known, as where the wire is a script that answers no ARP.
network_up() {
    ip link set lo up
    ip link set eth0 up
    ip address add "$1" dev eth0
    [ -z "$2" ] || ip route add default via "$2"
    [ -z "$3" ] || arp -s "$2" "$3"
}

# address_up6 ADDRESS/LENGTH: loopback and eth0 are up, with IPv6 alone. The address is the guest's at
# once, nobody asks for a router, and when this returns the groups have been reported, both times.
address_up6() {
    sysctl -w net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=50 > /dev/null
    sysctl -w net.ipv6.conf.eth0.accept_dad=0 > /dev/null
    sysctl -w net.ipv6.conf.eth0.accept_ra=0 > /dev/null
    ip link set lo up
    ip link set eth0 up
    ip -6 address add "$1" dev eth0
    sleep 1
}

# network_up6 ADDRESS/LENGTH GATEWAY MAC: the same, and the gateway is known. That takes the real ip
# (in "programs").
network_up6() {
    address_up6 "$1"
    /bin/ip -6 neighbour add "$2" lladdr "$3" dev eth0 nud permanent
}

# wait_for "WHAT" COMMAND…: until the command succeeds; fails after 20 s.
wait_for() {
    what="$1"
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 200 ]; then
            echo "$what did not come within 20 s" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# counter PROTOCOL NAME: one of the kernel's statistics, by its names in /proc/net/snmp and
# /proc/net/netstat: counter Icmp OutEchoReps, counter TcpExt TCPTimeouts.
counter() {
    cat /proc/net/snmp /proc/net/netstat | awk -v protocol="$1:" -v name="$2" '
        $1 == protocol && !column { for (i = 2; i <= NF; i++) if ($i == name) column = i; next }
        $1 == protocol { print $column; exit }'
}

# counts PROTOCOL NAME NUMBER: the counter has come that far. For wait_for.
counts() { [ "$(counter "$1" "$2")" -ge "$3" ]; }

# has_line FILE: somebody wrote something into it. For wait_for.
has_line() { [ -s "$1" ]; }

# tcp_socket PORT STATE: there is a TCP socket with this local port, in this state: LISTEN,
# ESTABLISHED, FIN_WAIT2, TIME_WAIT, CLOSE_WAIT. For wait_for.
tcp_socket() {
    case "$2" in
        ESTABLISHED) state=01 ;;
        FIN_WAIT2) state=05 ;;
        TIME_WAIT) state=06 ;;
        CLOSE_WAIT) state=08 ;;
        LISTEN) state=0A ;;
        *) echo "tcp_socket: $2 is no state that it knows" >&2; exit 2 ;;
    esac
    grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F]*:[0-9A-F]* $state" /proc/net/tcp
}

# udp_reader: reads what arrives at 10.0.2.15, UDP port 6000, into /tmp/read, from the time when
# this returns. Its process is $reader.
udp_reader() {
    nc.openbsd -4 -u -l -k 10.0.2.15 6000 > /tmp/read &
    reader=$!
    wait_for "the reader's socket" grep -q ":1770 " /proc/net/udp
}

# ask_wire: for what comes next, of a wire whose script waits for that.
ask_wire() { echo "next" | nc.openbsd -4 -u -q 0 -p 5000 10.0.2.2 7000; }

# next WORD: asks the wire, and waits until the reader has read WORD.
next() {
    ask_wire
    wait_for "the datagram \"$1\"" grep -q "$1" /tmp/read
}

# has_taken NUMBER: so many frames were taken out of eth0's receive ring. For wait_for.
has_taken() { [ "$(cat /sys/class/net/eth0/statistics/rx_packets)" -ge "$1" ]; }

# ask_for_one: asks the wire for one frame (by a datagram to port 7009), and waits until the driver has
# taken one more out of the ring. What is asked for after that has a poll of its own.
ask_for_one() {
    taken=$(($(cat /sys/class/net/eth0/statistics/rx_packets) + 1))
    echo "one more" | nc.openbsd -4 -u -q 0 -p 5009 10.0.2.2 7009
    wait_for "the frame that was asked for" has_taken "$taken"
}

# has_bytes NUMBER: the reader has read so many. For wait_for.
has_bytes() { [ "$(wc -c < /tmp/read)" -ge "$1" ]; }

# next_bytes NUMBER: asks the wire, and waits until the reader has read NUMBER bytes in all.
next_bytes() {
    ask_wire
    wait_for "$1 bytes" has_bytes "$1"
    echo "$(wc -c < /tmp/read) bytes read"
}
