#!/bin/sh
# Sets up what `make` asks for:  bootstrap.sh runtime | dev | npm FOLDER
set -eu

say() { echo "$*" >&2; }
fail() { say "error: $*"; exit 1; }
recent_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# PYTHON when given; else python3, or a newer one beside an old python3.
find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if recent_enough "$candidate"; then echo "$candidate"; return; fi
    done
    wanted=${PYTHON:-python3}
    command -v "$wanted" >/dev/null || fail "there is no $wanted: install Python 3.11 or newer, or set PYTHON"
    version=$("$wanted" --version 2>&1) || version="which does not run"
    fail "$wanted is $version, and the hub needs 3.11 or newer: install one, or set PYTHON"
}

make_venv() {
    "$1" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$1 has no venv module: install it (Debian, Ubuntu: apt install python3-venv) and run make again"
    say "making the environment .venv …"
    "$1" -m venv .venv || fail "cannot make .venv here; the reason stands above"
}

# uv of the environment, of the machine, or else one that pip brings in the locked version.
find_uv() {
    if [ -e .venv ] && ! recent_enough .venv/bin/python; then
        say "the environment .venv is broken or too old, beginning anew …"
        rm -rf .venv
    fi
    for uv in .venv/bin/uv uv; do
        if "$uv" --version >/dev/null 2>&1; then return; fi
    done
    uv=.venv/bin/uv
    .venv/bin/python -m pip --version >/dev/null 2>&1 || make_venv "$python"
    say "installing uv …"
    version=$(sed -n '/^name = "uv"$/{n;s/^version = "\(.*\)"$/\1/p;}' uv.lock)
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$version" ||
        fail "cannot install uv; the reason stands above, often the package index can't be reached"
}

# --inexact: what another target installed stays.
sync() {
    say "installing $1 …"
    shift
    [ -e .venv ] || set -- --python "$python" "$@"
    "$uv" sync --quiet --frozen --inexact "$@" ||
        fail "cannot install the locked libraries; the reason stands above"
}

npm_is_usable() {
    npm --version >/dev/null 2>&1 && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}

install_npm_folder() {
    PATH="$PWD/.venv/bin:$PATH"
    npm_is_usable || sync "Node.js, which this machine lacks" --group node
    say "installing the JavaScript libraries of $1 …"
    npm ci --prefix "$1" --no-audit --no-fund --ignore-scripts --loglevel=error >&2 ||
        fail "npm cannot install the libraries of $1; the reason stands above"
}

python=$(find_python)
find_uv
case $1 in
    runtime) sync "the hub and its libraries" ;;
    dev) sync "the tools for tests and checks" --group dev ;;
    npm) install_npm_folder "$2" ;;
    *) fail "bootstrap.sh: unknown step $1" ;;
esac
