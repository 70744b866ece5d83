#!/usr/bin/env bash
# Stops what start.sh started and removes what it made on this machine. Keeps the
# programs, the images and the outside's certificates.
set -euo pipefail
source "$(dirname "$0")/settings.sh"

ours_running() { # pids, by program and argument: needs no pid file, and a number may be another process's by now
  local cmdline pid program
  for cmdline in $(grep -lsF -e "$run/" -e "$bin/outside" /proc/[0-9]*/cmdline); do
    pid=${cmdline//[!0-9]/}
    program=$(readlink "/proc/$pid/exe") || continue
    program=${program% (deleted)}
    case ${program##*/} in kube | outside | containerd | containerd-shim*) echo "$pid" ;; esac
  done
}
end() { # pid... Nothing needs a graceful end: the state is thrown away.
  local pid
  for pid; do kill -KILL "$pid" 2>/dev/null || true; done
  # Killed children are zombies of process 1 for some seconds; a zombie has no exe link.
  for pid; do while readlink "/proc/$pid/exe" >/dev/null; do sleep 0.02; done; done
}
mapfile -t running < <(ours_running)
[[ -d $run ]] || ((${#running[@]})) || exit 0

end "${running[@]}"
# Containers survive their shims: they are in our cgroup.
mapfile -t contained < <(find /sys/fs/cgroup -path "*/$cgroup/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
end "${contained[@]}"
for file in "$run"/containerd/state/io.containerd.runtime.v2.task/k8s.io/*/address; do
  [[ ! -s $file ]] || rm -f "$(sed s,^unix://,, "$file")"
done
awk -v run="$run/" 'index($5, run) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
  umount -l "$mount"
done
find /sys/fs/cgroup -depth -type d \( -path "*/$cgroup/*" -o -name "$cgroup" \) -exec rmdir {} + 2>/dev/null || true

ip netns del $netns 2>/dev/null || true
ip link del extsvc-out 2>/dev/null || true
ip link del $bridge 2>/dev/null || true
for table in "ip extsvc-testbed" "ip kube-proxy" "ip6 kube-proxy"; do
  # shellcheck disable=SC2086
  nft delete table $table 2>/dev/null || true
done
if [[ -f $run/sysctl ]]; then sysctl -qp "$run/sysctl"; fi
rm -f /var/lib/cni/results/extsvc-*
find /var/log/containers -lname "$run/*" -delete 2>/dev/null || true
rm -rf --one-file-system "$run"
