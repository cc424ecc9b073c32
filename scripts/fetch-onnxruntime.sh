#!/usr/bin/env bash
# Puts ONNX Runtime's shared library (MIT licence) where Spinor looks for it, ${XDG_CACHE_HOME:-~/.cache}/spinor/onnxruntime,
# and prints its path. It is taken out of the Python wheel, checked against the sha256 written here, and renamed into place in
# one step; a library that is already there and right is kept. Nothing is installed into Python.
# Call it, or source it and call `fetch_onnxruntime_library`.

fetch_onnxruntime_library() (
    set -euo pipefail
    version=1.31.1
    fail() { printf 'fetch-onnxruntime: %s\n' "$*" >&2; exit 1; }
    if [ "$(uname -s)" != Linux ]; then
        fail "this script knows Linux only; install ONNX Runtime $version and set ORT_DYLIB_PATH to its shared library"
    fi
    case "$(uname -m)" in
        x86_64 | amd64) machine=x86_64 sum=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3 ;;
        aarch64 | arm64) machine=aarch64 sum=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467 ;;
        *) fail "no library is known for $(uname -m); build ONNX Runtime $version and set ORT_DYLIB_PATH to it" ;;
    esac
    name="libonnxruntime.so.$version"
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/spinor/onnxruntime"
    matches() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$sum" ]; }
    if matches "$folder/$name"; then
        printf '%s\n' "$folder/$name"
        return 0
    fi
    command -v python3 >/dev/null || fail "python3 is missing; install python3 and python3-pip, or set ORT_DYLIB_PATH to ONNX Runtime $version"
    python3 -m pip --version >/dev/null 2>&1 ||
        fail "python3 has no pip; install python3-pip, or set ORT_DYLIB_PATH to the shared library of ONNX Runtime $version"
    mkdir -p "$folder"
    work=$(mktemp -d "$folder/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    printf 'fetching ONNX Runtime %s\n' "$version" >&2
    # The wheel of one fixed Python version, whatever this machine's is: only the library inside is wanted.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --abi cp312 --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" \
        --dest "$work" "onnxruntime==$version" >&2 || fail "pip could not download onnxruntime $version (see above)"
    python3 - "$work" "$name" <<'PYTHON' || fail "the wheel does not hold $name"
import pathlib, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
(wheel,) = work.glob("*.whl")
with zipfile.ZipFile(wheel) as archive, archive.open(f"onnxruntime/capi/{sys.argv[2]}") as source, open(work / sys.argv[2], "wb") as out:
    shutil.copyfileobj(source, out)
PYTHON
    matches "$work/$name" || fail "sha256 of the downloaded library is not the expected $sum; nothing was installed"
    chmod 755 "$work/$name"
    mv -f "$work/$name" "$folder/$name"
    printf '%s\n' "$folder/$name"
)

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    fetch_onnxruntime_library
fi
