#!/bin/busybox sh
# PID 1 of a user-mode Linux on a root of its own (uml_test.cpp): loads the driver, talks, asks for
# what a control queue would carry, and says what it counted, a line "NAME VALUE" each.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
for module in failover net_failover virtio_net; do
    insmod /modules/$module.ko
done
echo "address $(cat /sys/class/net/eth0/address)"
echo "mtu $(cat /sys/class/net/eth0/mtu)"
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
ping -c 3 -W 10 10.0.2.2 >/dev/null
echo "ping $?"

# Receive modes and addresses: through the control queue, which UML forwards, where there is one.
ip link set eth0 promisc on
echo "promisc $?"
ip link set eth0 promisc off
ip link set eth0 down
ip link set eth0 address 52:54:00:ab:cd:ef
echo "address-set $?"
ip link set eth0 up
ping -c 3 -W 10 10.0.2.2 >/dev/null
echo "ping-again $?"

ip link set eth0 down
echo "rx_packets $(cat /sys/class/net/eth0/statistics/rx_packets)"
echo "tx_packets $(cat /sys/class/net/eth0/statistics/tx_packets)"
echo "end 0"
poweroff -f
