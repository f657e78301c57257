#!/bin/sh
# Unpacks Debian trixie's pwru below DIRECTORY, with the machine's mirror, proxies and keys, and
# nothing of the machine's own apt touched. bookworm has none; it runs with bookworm's libpcap.
#
#   fetch_pwru.sh DIRECTORY
set -eu
directory=$(realpath -m "$1")
[ -x "$directory/usr/bin/pwru" ] && exit 0
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
if [ -z "$mirror" ]; then
    echo "fetch_pwru: this machine's apt has no archive of Debian bookworm, so no mirror is known" >&2
    exit 1
fi
state=$directory/apt
mkdir -p "$state/lists/partial" "$state/archives/partial"
: >"$state/status"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [arch=amd64 target=Packages lang=none signed-by=$keys] $mirror trixie main" \
    >"$state/sources.list"
private() {
    apt-get -q -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$state" -o Dir::State::lists="$state/lists" \
        -o Dir::State::status="$state/status" -o Dir::Cache="$state" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}
private update >"$state/log" 2>&1 || { tail -n 5 "$state/log" >&2; exit 1; }
cd "$state/archives"
private download pwru >>"$state/log" 2>&1 || { tail -n 5 "$state/log" >&2; exit 1; }
dpkg-deb --extract pwru_*.deb "$directory"
