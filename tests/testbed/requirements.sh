#!/usr/bin/env bash
# Checks that this machine can build and run the testbed, and installs the Debian packages that it needs.
# Names everything that lacks, not only the first.
set -euo pipefail
source "$(dirname "$0")/settings.sh"

lacks=()
lack() { lacks+=("$*"); }
gigabytes() { df -B1G --output=avail "$1" | tail -n 1 | tr -d ' '; }
room() { # folder (may not exist yet), GB
  local folder=$1
  until [[ -d $folder ]]; do folder=$(dirname "$folder"); done
  (($(gigabytes "$folder") >= $2)) || lack "$2 GB of free disk for $1 ($(gigabytes "$folder") GB are free): free some," \
    "or put it elsewhere${3:+ with $3}"
}

# --- Debian packages, by a command or file of each: another package may have brought the same ---
declare -A brings=(
  [containerd]=containerd [runc]=runc [containernetworking-plugins]=/usr/lib/cni/bridge [nftables]=/usr/sbin/nft
  [iptables]=/usr/sbin/xtables-nft-multi [busybox-static]=/bin/busybox [curl]=/usr/bin/curl [openssl]=openssl
  [iproute2]=/sbin/ip [ca-certificates]=/etc/ssl/certs/ca-certificates.crt [procps]=sysctl [python3]=python3
)
[[ -e /proc/sys/net/bridge ]] || brings[kmod]=modprobe   # start.sh loads br_netfilter
wanted=()
for package in "${!brings[@]}"; do
  [[ -e ${brings[$package]} ]] || command -v "${brings[$package]}" >/dev/null || wanted+=("$package")
done

# --- what a build needs ---
mapfile -t stale < <("$here/build.sh" stale)
if [[ " ${stale[*]} " = *" envoy "* ]] && ! python3 -m pip --version >/dev/null 2>&1 && ! python3 -c 'import ensurepip' 2>/dev/null; then
  wanted+=(python3-venv)
fi
if ((${#stale[@]})); then
  need=$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$here"/*/go.mod | sort -V | tail -n 1)
  # Asked in a module that names a version: a Go that can fetch the toolchain it needs does so here.
  found=$(cd "$here/istio" && go env GOVERSION 2>/dev/null || true)
  if [[ -z $found ]]; then
    lack "Go $need or newer on PATH, to build ${stale[*]}: install it"
  elif [[ $(printf '%s\n' "$need" "${found#go}" | sort -V | head -n 1) != "$need" ]]; then
    lack "Go $need or newer, to build ${stale[*]} (found ${found#go}): install a newer one"
  elif [[ ! -x $bin/kube || ! -x $bin/istioctl ]]; then
    room "$(go env GOCACHE)" 4 GOCACHE
    room "$(go env GOMODCACHE)" 2 GOMODCACHE
  fi
fi
if [[ -x $bin/kube && -x $bin/istioctl ]]; then room "$home" 2 EXTSVC_TESTBED_HOME; else room "$home" 6 EXTSVC_TESTBED_HOME; fi
(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) > 3500000)) || lack "4 GB of memory"

# --- what must be free ---
if ip netns list 2>/dev/null | grep -qw "^$netns"; then
  other=$(ip netns pids "$netns" | head -n 1)
  other=${other:+$(tr '\0' '\n' <"/proc/$other/cmdline" | sed -n '1s,/bin/outside$,,p')}
  lack "a free network namespace $netns: ${other:+the testbed in $other has it; EXTSVC_TESTBED_HOME=$other $here/testbed down ends it}"
else
  for port in 2379 2380 6443 10248 10256 10257 10259; do
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then lack "free port $port: another program listens there (another cluster?)"; fi
  done
fi
if ((${#wanted[@]})) && ! command -v apt-get >/dev/null; then lack "Debian or Ubuntu, or these packages by hand: ${wanted[*]}"; fi

if ((${#lacks[@]})); then
  for lacking in "${lacks[@]}"; do say "error: lacks $lacking"; done
  exit 1
fi

if ((${#wanted[@]})); then
  say "installing ${wanted[*]}"
  # --no-remove: never take a program off this machine to make room for ours.
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove "${wanted[@]}"; } \
    >&2 </dev/null || fail "apt-get could not install ${wanted[*]}; see above"
fi
