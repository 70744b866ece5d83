#!/usr/bin/env bash
# Builds pilot-oracle with the testbed's Go setup into the testbed's bin/ and prints where it is. A program whose sources
# are those of the last build is left alone; then Go is not needed. 2 to 3 minutes where the testbed was built, else 10.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/../testbed/settings.sh"
mode=build
source "$here/go_programs.sh"

exec 8>"$home/oracle.lock"   # one build at a time; others wait for it
flock 8
module=../oracle/program
# One of the tags of the testbed's istiod is missing, disable_pgv: Istio's test packages need Envoy's validators.
flags=(-tags vtprotobuf -ldflags "-s -w" .)
is_built pilot-oracle "$module" . "${flags[@]}" || toolchain "$module"
build pilot-oracle "$module" . "${flags[@]}"
echo "$bin/pilot-oracle"
