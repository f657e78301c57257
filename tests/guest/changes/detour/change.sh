set -e
mount -t bpf bpf /sys/fs/bpf
bpftool prog loadall /change/refuse.bpf.o /sys/fs/bpf/refuse autoattach
