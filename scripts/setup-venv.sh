#!/usr/bin/env bash
# A virtual environment with EOLI and everything that it needs. Usage: setup-venv.sh PYTHON FOLDER
set -euo pipefail
python=$1 venv=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: $python is missing or older than 3.11; name another with: make setup PYTHON=python3.12" >&2
    exit 1
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
    echo "setup: $venv cannot be written; name another folder for the environment with: make VENV=FOLDER" >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ] && ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    rm -rf "$venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
        "$python" -m venv "$venv"
    else
        echo "setup: $python cannot make a virtual environment; install it (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
fi
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
if [ -w scripts ]; then
    "${pip[@]}" -e ".[dev]"
else
    # pip writes beside the sources: it gets a copy of all but the package, and the environment a path to that
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp pyproject.toml README.md LICENSE "$copy"
    mkdir "$copy/scripts"
    "${pip[@]}" "${copy}[dev]"
    echo "$PWD/scripts" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/eoli.pth"
fi
