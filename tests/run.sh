#!/usr/bin/env bash
# Installs what the tests need, then runs all of them. On Debian and Ubuntu, with a Rust toolchain.
#
#   tests/run.sh                real servers are installed if they are missing (apt), and required
#   tests/run.sh --no-install   nothing is installed; tests of missing servers fail
#
# Environment: CONSISTORY_PEER_HISTORIES names a folder of other tools' histories with a verdicts.tsv, to judge them
# too; CONSISTORY_ORACLE_ROUNDS sets how many random histories a model are held against brute force; RUST_TEST_THREADS how
# many tests run at once (4, or the number of cores).
set -euo pipefail
cd "$(dirname "$0")/.."

install=yes
case "${1:-}" in
  "") ;;
  --no-install) install=no ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac

step() { printf '\n== %s\n' "$*"; }

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v redis-sentinel >/dev/null || missing+=(redis-sentinel)
command -v etcd >/dev/null || missing+=(etcd-server)
command -v etcdctl >/dev/null || missing+=(etcd-client)
command -v java >/dev/null || missing+=(default-jre-headless)
[ -e /usr/share/java/zookeeper.jar ] || missing+=(zookeeper)
command -v nft >/dev/null || missing+=(nftables)
command -v ip >/dev/null || missing+=(iproute2)
command -v tc >/dev/null && command -v ss >/dev/null || missing+=(iproute2)
command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
command -v mount >/dev/null || missing+=(mount)
command -v cc >/dev/null || missing+=(gcc libc6-dev)

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$install" = no ]; then
    echo "not installed: ${missing[*]} (run without --no-install, or: apt-get install ${missing[*]})" >&2
  else
    step "installing ${missing[*]}"
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    # RUNLEVEL=1 keeps the packages from starting servers of their own.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q "${missing[@]}"
  fi
fi

export REQUIRE_SYSTEMS=redis,etcd,zookeeper
# Only root can run nodes in network namespaces and give them disks; others see which tests were skipped.
if [ "$(id -u)" = 0 ]; then REQUIRE_SYSTEMS+=,namespaces,disks; fi
if [ "$(uname -m)" = x86_64 ]; then REQUIRE_SYSTEMS+=,clocks; fi

# Tests of real servers mostly wait: with more of them at once than there are cores all end sooner.
cores=$(getconf _NPROCESSORS_ONLN)
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((cores < 4 ? 4 : cores))}

step "format"
cargo fmt --all --check
step "clippy"
cargo clippy --locked --all-targets -- -D warnings
step "tests (real systems required: $REQUIRE_SYSTEMS)"
cargo test --locked
