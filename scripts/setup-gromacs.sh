#!/usr/bin/env bash
# GROMACS from the distribution, when there is no gmx and the user may install packages.
set -euo pipefail

command -v gmx >/dev/null && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "setup: no gmx on the PATH; installs Debian's GROMACS"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends gromacs >/dev/null; } || true
elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then
    echo "setup: no gmx on the PATH; installs Debian's GROMACS"
    { sudo -n apt-get update -qq && sudo -n apt-get install -y -qq --no-install-recommends gromacs >/dev/null; } || true
fi
command -v gmx >/dev/null && exit 0
cat >&2 <<'MESSAGE'
setup: no gmx on the PATH, and packages cannot be installed by this user. Either ask for the package gromacs
(Debian: apt-get install gromacs), or name your build in a config file:  gmx: {command: gmx_mpi, modules: [gromacs]}
MESSAGE
exit 0
