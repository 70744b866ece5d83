# Sourced by all scripts here: where things are and how they are called.
# shellcheck shell=bash disable=SC2034
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${EXTSVC_TESTBED_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-extsvc/testbed}
bin=$home/bin images=$home/images pki=$home/outside-pki
run=$home/run              # all state of a running testbed; down removes it

kubernetes_version=v1.34.4
istio_version=1.31.0       # what the programs call themselves; istio/go.mod pins a commit of that release branch

node_ip=198.51.100.1       # our end of the cable to the outside; also the node's address
node=extsvc-node
netns=extsvc-outside
service_cidr=10.96.0.0/16 dns_ip=10.96.0.10 api_service_ip=10.96.0.1
cluster_cidr=10.244.0.0/16 pod_cidr=10.244.0.0/24
bridge=extsvc0
cgroup=${EXTSVC_TESTBED_CGROUP:-extsvc-testbed}   # all pods are under it
containerd_socket=$run/containerd/containerd.sock
daemons=(outside etcd kube-apiserver containerd kube-controller-manager kube-scheduler kubelet kube-proxy)
deployments=(kube-system/coredns istio-system/istiod default/curl without-istio/curl)

export PATH=$bin:$PATH:/usr/local/go/bin:/usr/sbin:/sbin

say() { printf '%(%T)T testbed: %s\n' -1 "$*" >&2; }
fail() { say "error: $*"; exit 1; }
await() { # seconds, what, command...
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || fail "gave up waiting for $what; logs are in $run/log"
    sleep 0.2
  done
}
ctr() { command ctr --address "$containerd_socket" --namespace k8s.io "$@"; }
ours() { # daemon: its pid, if it runs. The number may be another process's by now (after a reboot): ours name their files.
  local pid
  [[ -s $run/pid/$1 ]] && pid=$(<"$run/pid/$1") && grep -qs "$home/" "/proc/$pid/cmdline" && echo "$pid"
}
