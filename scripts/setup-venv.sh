#!/usr/bin/env bash
# A virtual environment with EOLI and everything that it needs. Usage: setup-venv.sh PYTHON FOLDER
# Where packages have no wheel for plain `python3` and nothing here can build them, an older Python on the PATH serves.
set -euo pipefail
python=$1 venv=$2

fail() {
    echo "setup: $*" >&2
    exit 1
}

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    fail "$python is missing or older than 3.11; name another with: make setup PYTHON=python3.12"
fi
# its scripts name the folder that it was made in; in another they run another environment's Python, or none
made=$(sed -n 's/^command = //p' "$venv/pyvenv.cfg" 2>/dev/null || true)
case $made in
    "" | *" $(realpath -ms "$venv")") ;;
    *)
        echo "setup: $venv was made elsewhere ($made); makes it again"
        rm -rf "$venv"
        ;;
esac
if ! mkdir -p "$venv" 2>/dev/null || [ ! -w "$venv" ]; then
    fail "$venv cannot be written; name another folder for the environment with: make VENV=FOLDER"
fi

make_venv() {
    [ ! -x "$venv/bin/python" ] || return 0
    "$1" -m venv "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv"
    may_install && apt_install python3-venv && "$1" -m venv "$venv" && return
    rm -rf "$venv"
    return 1
}

install_packages() {
    local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check) copy
    if [ -w scripts ]; then
        "${pip[@]}" -e ".[dev]" >"$venv/pip.log" 2>&1
        return
    fi
    # pip writes beside the sources: it gets a copy of all but the code, and the environment a path to that
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' RETURN
    cp pyproject.toml README.md LICENSE "$copy"
    mkdir -p "$copy/scripts/eoli"
    cp scripts/eoli/VERSION "$copy/scripts/eoli"
    "${pip[@]}" "${copy}[dev]" >"$venv/pip.log" 2>&1 || return 1
    echo "$PWD/scripts" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/eoli.pth"
}

# The packages that pip has no wheel of and cannot build, out of what it said.
unbuilt() {
    sed -nE 's/.*[Ff]ail(ed|ure) (to build|building wheel for) [^[:alnum:]]*([A-Za-z0-9][A-Za-z0-9._-]*).*/\3/p' "$venv/pip.log" |
        { grep -vxE 'installable|one' || true; } | sort -u | paste -sd ' '
}

can_build() {
    { command -v cc || command -v gcc || command -v clang; } >/dev/null &&
        "$venv/bin/python" -c 'import os, sys, sysconfig
sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

# A Python on the PATH that is older than the one of the environment, and new enough.
older_python() {
    local minor
    minor=$("$venv/bin/python" -c 'import sys; print(sys.version_info[1])')
    for ((minor = minor - 1; minor >= 11; minor--)); do
        if "python3.$minor" --version >/dev/null 2>&1; then
            echo "python3.$minor"
            return
        fi
    done
}

make_venv "$python" || fail "$python cannot make a virtual environment; install it (Debian: apt-get install python3-venv)"
install_packages && exit 0

packages=$(unbuilt)
if [ -n "$packages" ] && ! can_build; then
    version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    lacks="no wheel of $packages for Python $version, and no C compiler with Python's headers"
    other=$([ "$python" != python3 ] || older_python)
    if [ -n "$other" ]; then
        echo "setup: $lacks; takes $other"
        rm -rf "$venv"
        make_venv "$other" || fail "$other cannot make a virtual environment; install it (Debian: apt-get install $other-venv)"
    elif may_install; then
        echo "setup: $lacks; installs them"
        apt_install gcc libc6-dev python3-dev || fail "$lacks; apt-get cannot install them (above)"
    else
        fail "$lacks; install them (Debian: apt-get install gcc libc6-dev python3-dev), or name an older Python: make setup PYTHON=python3.13"
    fi
    install_packages && exit 0
    packages=$(unbuilt)
fi
reason=$(grep -iE '^ *error' "$venv/pip.log" | tail -n 1 || true)
[ -z "$packages" ] || reason="$packages cannot be built for this Python; name another with: make setup PYTHON=python3.13"
fail "pip could not install the packages: ${reason:-no reason given}; log: $venv/pip.log"
