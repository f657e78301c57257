set -e
/bin/ip link add link eth0 name above type macvlan
