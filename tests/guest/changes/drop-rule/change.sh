set -e
nft 'add table ip changed'
nft 'add chain ip changed in { type filter hook input priority 0; policy accept; }'
nft 'add rule ip changed in icmp type echo-reply drop'
