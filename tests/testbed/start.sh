#!/usr/bin/env bash
# Starts a real one-node Kubernetes cluster with Istio on this machine, and the world outside of it.
# Nothing of an earlier one may be left: `testbed up` sees to that.
set -euo pipefail
source "$(dirname "$0")/settings.sh"

start() { # name, command...: in the background, with a log and a pid file, and without the lock
  local name=$1; shift
  setsid nohup "$@" >"$run/log/$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$run/pid/$name"
}

mkdir -p "$run"/{log,pid,pki,cni,etcd,containerd,kubelet,pod-logs,manifests} "$images" "$pki"
chmod 700 "$run/pki" "$pki"

# --- certificates -----------------------------------------------------------
authority() { # folder, name
  [[ -f $1/ca.crt ]] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -config /dev/null -subj "/CN=$2" -keyout "$1/ca.key" -out "$1/ca.crt" 2>/dev/null \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -addext subjectKeyIdentifier=hash
}
certificate() { # folder, file, subject, subjectAltName or ''
  [[ -f $1/$2.crt ]] || openssl req -x509 -CA "$1/ca.crt" -CAkey "$1/ca.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
    -nodes -days 3650 -config /dev/null -subj "$3" -keyout "$1/$2.key" -out "$1/$2.crt" 2>/dev/null \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext extendedKeyUsage=serverAuth,clientAuth -addext subjectKeyIdentifier=hash \
    -addext authorityKeyIdentifier=keyid ${4:+-addext subjectAltName=$4}
}
kubeconfig() { # name, server: uses the certificate of that name
  cat >"$run/$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster: {server: "$2", certificate-authority-data: $(base64 -w0 "$run/pki/ca.crt")}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w0 "$run/pki/$1.crt"), client-key-data: $(base64 -w0 "$run/pki/$1.key")}
contexts:
- name: testbed
  context: {cluster: testbed, user: $1, namespace: default}
current-context: testbed
EOF
  chmod 600 "$run/$1.kubeconfig"
}
say "certificates"
# The outside's are kept from one cluster to the next, since the images hold its CA.
authority "$pki" "extsvc outside test CA"
certificate "$pki" httpbin.org /CN=httpbin.org DNS:httpbin.org,DNS:*.httpbin.org
certificate "$pki" wikipedia /CN=*.wikipedia.org DNS:wikipedia.org,DNS:*.wikipedia.org,DNS:en.wikipedia.org
certificate "$pki" api.pay.example /CN=api.pay.example DNS:api.pay.example
certificate "$pki" mtls.pay.example /CN=mtls.pay.example DNS:mtls.pay.example
certificate "$pki" client /CN=client ''
authority "$run/pki" "extsvc cluster CA"
certificate "$run/pki" apiserver /CN=kube-apiserver "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$node_ip,IP:$api_service_ip"
certificate "$run/pki" kubelet-server "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:$node_ip,IP:127.0.0.1"
certificate "$run/pki" apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client ''
certificate "$run/pki" admin /O=system:masters/CN=extsvc-admin ''
certificate "$run/pki" kubelet "/O=system:nodes/CN=system:node:$node" ''
certificate "$run/pki" controller-manager /CN=system:kube-controller-manager ''
certificate "$run/pki" scheduler /CN=system:kube-scheduler ''
certificate "$run/pki" proxy /CN=system:kube-proxy ''
openssl ecparam -name prime256v1 -genkey -noout -out "$run/pki/service-account.key" 2>/dev/null
for name in admin kubelet controller-manager scheduler proxy; do kubeconfig $name https://127.0.0.1:6443; done

# --- the outside world ------------------------------------------------------
say "network"
[[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]] || modprobe br_netfilter
for setting in net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 fs.inotify.max_user_instances=1024; do
  key=${setting%=*}
  echo "$key=$(sysctl -n "$key")" >>"$run/sysctl"   # stop.sh puts these back
  sysctl -qw "$setting"
done
# Single addresses only, never a whole TEST-NET: a machine's own services (a package mirror) may be in it.
ip netns add $netns
ip link add extsvc-out type veth peer name eth0 netns $netns
ip addr add $node_ip/32 dev extsvc-out
ip link set extsvc-out up
ip -n $netns link set lo up
ip -n $netns link set eth0 up
ip -n $netns route add $node_ip dev eth0
for address in 198.51.100.26 198.51.100.27 203.0.113.10 203.0.113.20 203.0.113.21 203.0.113.22 203.0.113.23 \
  203.0.113.{24..30}; do
  ip -n $netns addr add $address/32 dev eth0
  ip route add $address dev extsvc-out
done                                              # nothing listens on .30: connection refused
ip route add 198.51.100.99 dev extsvc-out         # nobody's: no route to host, after 3 s
ip route add 203.0.113.99 via 198.51.100.26       # swallowed: a timeout
# A new network namespace inherits ip_forward=1: without this the answer is "unreachable" at once.
ip -n $netns route add blackhole 203.0.113.99
# Pods leave with the node's address, as from a real node.
nft -f - <<EOF
table ip extsvc-testbed {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr $cluster_cidr oifname "extsvc-out" masquerade
  }
}
EOF
start outside ip netns exec $netns "$bin/outside" "$pki"

# --- etcd and the control plane ----------------------------------------------
say "control plane"
start etcd etcd --name extsvc --data-dir "$run/etcd" --unsafe-no-fsync --logger zap --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380
# shellcheck disable=SC2086
start kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --secure-port 6443 \
  --advertise-address $node_ip --service-cluster-ip-range $service_cidr --allow-privileged=true \
  --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
  --client-ca-file "$run/pki/ca.crt" --tls-cert-file "$run/pki/apiserver.crt" --tls-private-key-file "$run/pki/apiserver.key" \
  --kubelet-certificate-authority "$run/pki/ca.crt" --kubelet-preferred-address-types InternalIP \
  --kubelet-client-certificate "$run/pki/apiserver-kubelet-client.crt" --kubelet-client-key "$run/pki/apiserver-kubelet-client.key" \
  --service-account-issuer https://kubernetes.default.svc.cluster.local \
  --service-account-key-file "$run/pki/service-account.key" --service-account-signing-key-file "$run/pki/service-account.key" \
  --profiling=false --shutdown-delay-duration 0s ${EXTSVC_TESTBED_APISERVER_FLAGS:-}

# --- containerd, with its own configuration, socket and state -----------------
cat >"$run/containerd/config.toml" <<EOF
version = 2
root = "$run/containerd/root"
state = "$run/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$containerd_socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "extsvc.test/pause:1"
  restrict_oom_score_adj = true        # lowering it takes CAP_SYS_RESOURCE
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "$run/containerd/runc"
EOF
cat >"$run/cni/10-extsvc.conflist" <<EOF
{"cniVersion": "1.0.0", "name": "extsvc", "plugins": [
  {"type": "bridge", "bridge": "$bridge", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$run/cni/ipam", "ranges": [[{"subnet": "$pod_cidr"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
EOF
start containerd containerd --config "$run/containerd/config.toml"
contents=$(sha256sum <"$here/images.py"; sha256sum <"$pki/ca.crt"
  cd "$bin" && stat -c '%n %s %Y' coredns envoy envoy_bootstrap.json pilot-agent pilot-discovery)
if [[ ! -f $images/contents || $(<"$images/contents") != "$contents" ]]; then
  say "packing images"
  rm -rf "$images"
  python3 "$here/images.py" "$bin" "$pki/ca.crt" "$images"
  echo "$contents" >"$images/contents"
fi
await 20 containerd ctr version
for image in "$images"/*.tar; do ctr images import "$image" >/dev/null; done

# --- the node -----------------------------------------------------------------
await 60 kube-apiserver kubectl --kubeconfig "$run/admin.kubeconfig" get --raw /readyz
export KUBECONFIG=$run/admin.kubeconfig
say "node"
start kube-controller-manager kube-controller-manager --kubeconfig "$run/controller-manager.kubeconfig" \
  --leader-elect=false --use-service-account-credentials --bind-address 127.0.0.1 \
  --service-account-private-key-file "$run/pki/service-account.key" --root-ca-file "$run/pki/ca.crt" \
  --cluster-signing-cert-file "$run/pki/ca.crt" --cluster-signing-key-file "$run/pki/ca.key" \
  --service-cluster-ip-range $service_cidr --kube-api-qps 500 --kube-api-burst 1000   # 20 costs 5 s at the start
start kube-scheduler kube-scheduler --kubeconfig "$run/scheduler.kubeconfig" --leader-elect=false --bind-address 127.0.0.1
for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do   # cgroup v2 has one tree, v1 one for each controller
  [[ -f $folder/cgroup.procs ]] || continue
  mkdir -p "$folder/$cgroup"
  for file in cpuset.cpus cpuset.mems; do
    # v2 has them as well, empty at the root, where "all" is the default.
    [[ ! -f $folder/$cgroup/$file || ! -f $folder/$file ]] || cat "$folder/$file" >"$folder/$cgroup/$file"
  done
done
echo "nameserver $dns_ip" >"$run/resolv.conf"   # even pods with dnsPolicy Default ask the cluster alone
cat >"$run/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $run/pki/kubelet-server.crt
tlsPrivateKeyFile: $run/pki/kubelet-server.key
containerRuntimeEndpoint: unix://$containerd_socket
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
maxPods: 110
clusterDNS: [$dns_ip]
clusterDomain: cluster.local
resolvConf: $run/resolv.conf
podLogsDir: $run/pod-logs
makeIPTablesUtilChains: false
imageMinimumGCAge: 8760h
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
EOF
start kubelet kubelet --config "$run/kubelet.yaml" --kubeconfig "$run/kubelet.kubeconfig" --root-dir "$run/kubelet" \
  --cert-dir "$run/kubelet/pki" --hostname-override $node --node-ip $node_ip
cat >"$run/kube-proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $run/proxy.kubeconfig}
clusterCIDR: $cluster_cidr
hostnameOverride: $node
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 100ms}
EOF
start kube-proxy kube-proxy --config "$run/kube-proxy.yaml"

# --- CoreDNS, Istio, the pods to probe from ------------------------------------
await 30 "the default service accounts" kubectl get serviceaccount default -n kube-system
kubectl apply -f "$here/manifests/coredns.yaml" >&2
await 60 "the node" sh -c "kubectl get node $node | grep -w Ready"
kubectl rollout status -n kube-system deployment/coredns --timeout 90s >&2

say "istio"
istioctl install -y -f "$here/manifests/operator.yaml" --readiness-timeout 3m >"$run/log/istioctl.log" 2>&1 ||
  fail "istioctl: $(tail -n 1 "$run/log/istioctl.log")"
kubectl label namespace default istio-injection=enabled --overwrite >/dev/null
# Asked before the Deployment exists: a ReplicaSet whose pods were refused once backs off.
injects() {
  kubectl run probe --image=probe --dry-run=server -o jsonpath='{.metadata.annotations}' | grep -q sidecar.istio.io/status
}
await 60 "sidecar injection (does this machine have a default route? the API server reaches istiod by it)" injects
kubectl apply -f "$here/manifests/sources.yaml" -f "$here/manifests/curl-service.yaml" >&2
kubectl rollout status deployment/curl --timeout 120s >&2
kubectl rollout status -n without-istio deployment/curl --timeout 60s >&2
