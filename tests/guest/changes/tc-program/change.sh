set -e
/bin/tc qdisc add dev eth0 clsact
/bin/tc filter add dev eth0 ingress bpf direct-action object-file /change/look.bpf.o section tc
