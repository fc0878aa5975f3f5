#!/usr/bin/env bash
# GROMACS from the distribution, when there is no gmx and the user may install packages; `eoli check` says what else to do.
set -euo pipefail

command -v gmx >/dev/null && exit 0
[ -x .gromacs/bin/gmx ] && exit 0
if ! command -v apt-get >/dev/null; then
    exit 0
elif [ "$(id -u)" = 0 ]; then
    root=()
elif sudo -n true 2>/dev/null; then
    root=(sudo -n)
else
    exit 0
fi
echo "setup: no gmx on the PATH; installs Debian's GROMACS"
{ "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends gromacs >/dev/null; } || true
