# Sourced by scripts that build Go programs into the testbed's bin/: build.sh here, and that of ../oracle.
# They have set $mode: "build", or "stale" to print what would be built.
# shellcheck shell=bash disable=SC2154
stamps=$bin/.built
mkdir -p "$stamps"
export CGO_ENABLED=0 GOWORK=off

digest() { # folder of a module, sources in it, flags...: of these and nothing else
  (
    cd "$here/$1"
    find go.mod go.sum "$2" -name '*.go' -o -name 'go.*' | LC_ALL=C sort -u | xargs sha256sum
    echo "${@:3}"
  ) | sha256sum
}
is_built() { # as build: whether nothing is stale
  local programs=$1 wanted program; shift
  wanted=$(digest "$@")
  for program in $programs; do
    [[ -x $bin/$program && -f $stamps/$program && $(<"$stamps/$program") = "$wanted" ]] || return 1
  done
}
build() { # programs, folder of a module, sources in it, flags and packages of go build...
  is_built "$@" && return
  local programs=$1 folder=$2 sources=$3 wanted program; shift 3
  if [[ $mode = stale ]]; then printf '%s\n' $programs; return; fi
  wanted=$(digest "$folder" "$sources" "$@")
  say "building ${programs// / and }"
  (cd "$here/$folder" && nice go build -trimpath -buildvcs=false -o "$bin/" "$@")
  for program in $programs; do echo "$wanted" >"$stamps/$program"; done
}
toolchain() { # folder of a module: fails with a message if there is no Go for it
  local need found
  need=$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$here/$1/go.mod")
  # Asked in the module: a Go that can fetch the toolchain it needs does so here.
  found=$(cd "$here/$1" && go env GOVERSION 2>/dev/null || true)
  [[ $found ]] || fail "lacks Go $need or newer on PATH: install it"
  [[ $(printf '%s\n' "$need" "${found#go}" | sort -V | head -n 1) = "$need" ]] ||
    fail "lacks Go $need or newer (found ${found#go}): install a newer one"
}
