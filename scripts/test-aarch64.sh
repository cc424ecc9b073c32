#!/usr/bin/env bash
# The core on aarch64: builds spinor-volume and spinor-sim with their tests for it and runs them, here in user-mode emulation, on an
# aarch64 machine as they are. Among them is the scripted work of three hands whose digest is committed: equal there, equal here.
#
#   scripts/test-aarch64.sh          what proves equal bytes: half a minute of processor time once it is built
#   scripts/test-aarch64.sh --all    every test of both crates (emulated, a single one of the volume's takes over five minutes)
#
# Installs nothing. Where something is missing it says what to install and exits with 3, so that a caller can tell that from a failure (1).
# On Debian 12 with bookworm-security, as root:
#
#   dpkg --add-architecture arm64 && apt-get update
#   apt-get install --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user rustc-web libstd-rust-web-dev:arm64
#
# Instead of the last two packages, with rustup: rustup target add aarch64-unknown-linux-gnu
#
# The workspace's Cargo.lock is read and left as it is. What is built lies in ${CARGO_TARGET_DIR:-target}/aarch64, apart from everything else.
set -euo pipefail
cd "$(dirname "$0")/.."

triple=aarch64-unknown-linux-gnu
proof=tests::determinism::scripted_work_has_its_committed_digest
fail() { printf 'test-aarch64: %s\n' "$*" >&2; exit 1; }
lacks() {
    printf 'test-aarch64: %s\n' "$1" >&2
    printf 'on Debian 12, as root: %s\n' "dpkg --add-architecture arm64 && apt-get update && apt-get install --no-install-recommends \
gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user rustc-web libstd-rust-web-dev:arm64" >&2
    exit 3
}

all=no
case "${1:-}" in
    '') ;;
    --all) all=yes ;;
    *) printf 'usage: %s [--all]\n' "$0" >&2; exit 2 ;;
esac
command -v cargo >/dev/null || lacks "cargo is missing"

# A compiler that has the target's standard library: the toolchain's own, or else the distribution's.
has_std() { ls "$("$1" --print target-libdir --target "$triple" 2>/dev/null)"/libstd-*.rlib >/dev/null 2>&1; }
compiler=""
for candidate in "${RUSTC:-rustc}" /usr/bin/rustc; do
    if command -v "$candidate" >/dev/null && has_std "$candidate"; then
        compiler=$candidate
        break
    fi
done
[ -n "$compiler" ] || lacks "no Rust compiler here has the standard library of $triple"
export RUSTC="$compiler"

if [ "$(uname -m)" != aarch64 ]; then
    command -v aarch64-linux-gnu-gcc >/dev/null || lacks "the linker aarch64-linux-gnu-gcc is missing"
    command -v qemu-aarch64 >/dev/null || lacks "the emulator qemu-aarch64 is missing"
    [ -e /usr/aarch64-linux-gnu/lib/libc.so ] || lacks "aarch64's C library for cross compiling is missing"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    # The loader and the C library must be of one version, or the first thread spins for ever: the architecture's own packages where they
    # are installed, since the loader finds their library whatever folder it is given, else those for cross compiling.
    if [ -e /lib/aarch64-linux-gnu/libc.so.6 ]; then
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
    else
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    fi
fi

cargo_test() { cargo test --locked --release --target "$triple" --target-dir "${CARGO_TARGET_DIR:-target}/aarch64" "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf 'compiler: %s (%s)\n' "$("$compiler" --version)" "$compiler"

started=$SECONDS
cargo_test -p spinor-sim --lib --no-run
printf 'built in %s s\n' "$((SECONDS - started))"

started=$SECONDS
run() { cargo_test "$@" 2>&1 | tee -a "$log"; }
if [ "$all" = yes ]; then
    run -p spinor-volume -p spinor-sim --lib --tests
else
    run -p spinor-sim --lib -- tests::determinism
fi

# Nothing passes that was not run: the proof itself must be among the passed, and no test among the failed.
grep -q "^test $proof \.\.\. ok" "$log" || fail "$proof did not run"
grep -Eq '^test result: FAILED' "$log" && fail "tests failed"
passed=$(awk '/^test result: ok/ {n += $4} END {print n + 0}' "$log")
printf '%s tests passed on %s in %s s, among them the scripted work with its committed digest\n' \
    "$passed" "$triple" "$((SECONDS - started))"
