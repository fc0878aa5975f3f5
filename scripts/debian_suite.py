"""EOLI with the GROMACS and the Python of another Debian suite: `make test-gromacs SUITE=trixie`.

The suite lies in a folder, where `debootstrap` puts it once; it takes packages from the mirror of this machine's apt.
A copy of the project in it is set up as a newcomer would do it, and tested there with real GROMACS, also against
energies and results that this machine's GROMACS made. Exit codes: 0, 1 (a check failed), 3 (this machine cannot do it).
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

PROJECT = Path(__file__).resolve().parents[1]
TINY = "tests/config/tiny.yaml"
FAILED, CANNOT = 1, 3
PACKAGES = ("gromacs", "make", "python3", "python3-venv", "ca-certificates")
# where debootstrap does not know a suite: all newer ones share this recipe
RECIPE = Path("/usr/share/debootstrap/scripts/sid")
# in a suite: its home, the study of this machine, the copy of the project, the authorities that are trusted
HOME = "/srv"
HOST, CLONE, AUTHORITIES = f"{HOME}/host", f"{HOME}/eoli", f"{HOME}/authorities.pem"
STAMP = f"{HOME}/.packages"
# mounts and processes end with the command, and the command with this script, however they end
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "timeout", "default-timeout", "retries", "proxy")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Check:
    """A line of the table: words of a command that runs in the copy of the project, and whether `--quick` has it."""

    name: str
    command: str
    quick: bool = False


PYTEST = "python -m pytest -q -n 2 -p no:cacheprovider"
CHECKS = (
    Check("set-up", "make setup", quick=True),
    Check("energies of the host", f"{PYTEST} -rP tests/suites/test_host.py -k energies", quick=True),
    Check("killed and extended sweep", f"{PYTEST} tests/suites/test_sweep.py", quick=True),
    Check("runs and results of the host", f"{PYTEST} -rP tests/suites/test_host.py -k 'not energies'"),
    Check("energies", f"{PYTEST} tests/gmx/test_energy.py tests/gmx/test_interaction_energies.py"),
    Check("run inputs and tools", f"{PYTEST} tests/gmx/test_topology_grompp.py tests/gmx/test_gmx.py tests/gmx/test_options.py"),
    Check("restart and extension", f"{PYTEST} tests/gmx/test_stage.py"),
    Check("damaged files", f"{PYTEST} tests/gmx/test_damage.py"),
    Check("oracles of the analyses", f"{PYTEST} tests/gmx/test_analysis_oracles.py tests/gmx/test_msd_oracle.py"),
    Check("Snakemake", f"{PYTEST} tests/workflow/test_dag.py"),
    Check("unit tests", f"{PYTEST} tests/unit"),
)  # fmt: skip


class Cannot(Exception):
    """Why this machine cannot do it, in one line."""


def say(text: str) -> None:
    print(f"test-gromacs: {text}", flush=True)


def output(*words: str) -> str:
    """Standard output of a command, empty where it fails."""
    run = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return run.stdout if run.returncode == 0 else ""


def is_debian() -> bool:
    release = Path("/etc/os-release")
    return release.is_file() and bool(re.search(r'^ID="?debian"?$', release.read_text(), re.MULTILINE))


def require() -> None:
    """Raise Cannot where this machine lacks something."""
    if not is_debian():
        raise Cannot("another Debian suite can be set up on Debian only")
    if os.getuid() != 0:
        raise Cannot("only root can set up another Debian suite; run it as root")
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("gmx", "gromacs")):
        if shutil.which(program) is None:
            raise Cannot(f"{program} is not here; apt-get install {package}")
    alone = subprocess.run([*ALONE, "true"], capture_output=True, text=True, check=False)
    if alone.returncode != 0:
        raise Cannot(f"no mount namespace can be had here ({alone.stderr.strip()})")


def mirror() -> str:
    """Address of the mirror that this machine's apt takes Debian from."""
    asked = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian")
    found = output(*asked).split()
    if not found:
        output("apt-get", "update", "-qq")
        found = output(*asked).split()
    if not found:
        raise Cannot("this machine's apt names no mirror of Debian")
    return found[0].rstrip("/")


def pip_settings(listed: str) -> dict[str, str]:
    """Where pip takes packages from, as variables, out of what `pip config list` prints.

    Folders of this machine are left out: the suite does not have them.
    """
    found = {}
    # what variables say wins over what files say
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in PIP_KEYS:
            words = [word for word in str(ast.literal_eval(value)).split() if not word.startswith(("file:", "/"))]
            found[f"PIP_{key.upper().replace('-', '_')}"] = " ".join(words)
    return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Network:
    """How this machine reaches packages: variables, options of apt, the authorities that it trusts."""

    variables: Mapping[str, str]
    apt: str
    authorities: bytes

    def give(self, root: Path) -> None:
        """Write its files into a suite."""
        # a mirror may keep an old list of a suite that moves on
        (root / "etc/apt/apt.conf.d/90host").write_text(f'{self.apt}Acquire::Check-Valid-Until "false";\n')
        (root / AUTHORITIES[1:]).write_bytes(self.authorities)
        for name in ("resolv.conf", "hosts"):
            if Path("/etc", name).is_file():
                shutil.copyfile(Path("/etc", name), root / "etc" / name)


def network() -> Network:
    """That of this machine, read from its apt, pip and environment."""
    listed = output(sys.executable, "-m", "pip", "config", "list")
    variables = {key: os.environ[key] for key in PROXIES if key in os.environ} | pip_settings(listed)
    named = [
        *re.findall(r"\.cert='([^']+)'", listed),
        os.environ.get("SSL_CERT_FILE", ""),
        "/etc/ssl/certs/ca-certificates.crt",
    ]
    trusted = next((Path(path) for path in named if path and Path(path).is_file()), None)
    if trusted is not None:
        variables |= {"PIP_CERT": AUTHORITIES, "SSL_CERT_FILE": AUTHORITIES}
    options = [line for line in output("apt-config", "dump").splitlines() if re.match(r"Acquire::(https?|ftp)::", line)]
    return Network(variables, "".join(f"{line}\n" for line in options), trusted.read_bytes() if trusted else b"")


@dataclass(frozen=True)
class Suite:
    """A Debian suite in the folder `root`; `variables` are all that its commands know of this machine."""

    name: str
    root: Path
    variables: Mapping[str, str]

    def command(self, line: str, folder: str = HOME) -> list[str]:
        """Words that run a line of bash in a folder of the suite."""
        own = {
            "HOME": HOME, "PATH": ":".join((f"{CLONE}/.venv/bin", *SYSTEM)), "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive", "EOLI_HOST": HOST,
        }  # fmt: skip
        words = [f"{key}={value}" for key, value in (own | dict(self.variables)).items()]
        mounts = (
            'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" && '
            'exec chroot "$0" /usr/bin/env -i "$@"'
        )
        inside = ["bash", "-c", f"cd {shlex.quote(folder)} && {line}"]
        return [*ALONE, "bash", "-c", mounts, str(self.root), *words, *inside]

    def run(self, line: str, log: Path, folder: str = HOME) -> int:
        """Exit code of a line of bash in the suite; its output is added to a log."""
        with log.open("a") as stream:
            stream.write(f"$ {line}\n")
            stream.flush()
            return logged(self.command(line, folder), stream)

    def has(self) -> str:
        """Versions of its GROMACS and Python."""
        text = output(*self.command("gmx --version 2>/dev/null; python3 --version"))
        found = [re.search(pattern, text) for pattern in (r"GROMACS version:\s*([\d.]+)", r"Python ([\d.]+)")]
        return " ".join(match[1] if match else "?" for match in found)


def logged(words: Sequence[str], stream: TextIO, folder: Path | None = None) -> int:
    """Exit code of a command of this Python's environment, whose output goes to an open log."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        words, cwd=folder, env=os.environ | {"PATH": path}, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
        check=False,
    ).returncode  # fmt: skip


def last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def install(folder: Path, name: str, log: Path) -> Suite:
    """The suite with its packages, made once, under another name until it is whole. Raises Cannot."""
    reached = network()
    suite = Suite(name, folder / name, reached.variables)
    stamp = suite.root / STAMP[1:]
    if stamp.is_file() and stamp.read_text().split() == list(PACKAGES):
        reached.give(suite.root)
        return suite
    unfinished = Suite(name, folder / f"{name}.unfinished", reached.variables)
    for root in (suite.root, unfinished.root):
        shutil.rmtree(root, ignore_errors=True)
    say(f"sets {name} up in {suite.root}")
    try:
        words = [*ALONE, "debootstrap", "--variant=minbase", name, str(unfinished.root), mirror(), str(RECIPE)]
        with log.open("a") as stream:
            code = logged(words, stream)
        if code != 0:
            raise Cannot(f"debootstrap cannot set {name} up: {last_line(log)}; log: {log}")
        reached.give(unfinished.root)
        say(f"installs {' '.join(PACKAGES)}")
        line = f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {' '.join(PACKAGES)}"
        if unfinished.run(line, log) != 0:
            raise Cannot(f"packages of {name} cannot be installed: {last_line(log)}; log: {log}")
        (unfinished.root / STAMP[1:]).write_text(" ".join(PACKAGES))
        unfinished.root.rename(suite.root)
    finally:
        shutil.rmtree(unfinished.root, ignore_errors=True)
    return suite


def copy_project(to: Path) -> None:
    """The files that a clone of this working tree would have."""
    to.mkdir(parents=True, exist_ok=True)
    listed = output("git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if not listed:
        raise Cannot("the project is no git checkout: what belongs to it is not known")
    for name in filter(None, listed.split("\0")):
        source, target = PROJECT / name, to / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def run_here(folder: Path, log: Path) -> None:
    """The tiny study with this machine's GROMACS, and its single points. Raises RuntimeError.

    A study that is there is only brought up to date.
    """
    copy_project(folder)
    say(f"runs the tiny study with this machine's GROMACS in {folder}")
    for words in (
        ["snakemake", "--cores", "2", "--configfile", TINY],
        [sys.executable, str(PROJECT / "tests/suites/points.py"), str(folder)],
    ):
        with log.open("a") as stream:
            if logged(words, stream, folder) != 0:
                raise RuntimeError(f"{words[0]} failed with this machine's GROMACS; log: {log}")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Whoever comes second waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def judge(suite: Suite, checks: Sequence[Check], logs: Path) -> dict[str, str]:
    """What became of each check: `ok` or `FAILED`, with what pytest counted and the minutes it took."""
    found = {}
    for check in checks:
        log = logs / f"{suite.name}-{check.name.replace(' ', '-')}.log"
        log.unlink(missing_ok=True)
        say(f"{suite.name}: {check.name}")
        started = time.monotonic()
        code = suite.run(check.command, log, CLONE)
        counted = re.search(r"\d+ (?:passed|failed).*?(?= in )", last_line(log))
        text = f"{'ok' if code == 0 else 'FAILED'}{f' ({counted[0]})' if counted else ''}"
        found[check.name] = f"{text}, {(time.monotonic() - started) / 60:.1f} min"
        say(f"{suite.name}: {check.name}: {found[check.name]}{'' if code == 0 else f'; log: {log}'}")
    return found


def table(columns: Mapping[str, Mapping[str, str]]) -> str:
    """Checks by suites, as Markdown."""
    rows = [["check", *columns]]
    for check in CHECKS:
        rows.append([check.name, *(column.get(check.name, "not run") for column in columns.values())])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="test-gromacs", description=__doc__)
    parser.add_argument("suite", nargs="+", help="Debian suites: trixie, forky, ...")
    parser.add_argument("--folder", type=Path, default=PROJECT / ".suites", help="where suites are kept (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="only what takes minutes")
    options = parser.parse_args(words)
    # what runs is killed and what is unfinished removed, as after Ctrl-C
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    folder = options.folder.resolve()
    try:
        for name in options.suite:
            if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
                raise Cannot(f"{name!r} is no name of a Debian suite")
        require()
        with alone(folder):
            return run(folder, options.suite, [check for check in CHECKS if check.quick or not options.quick])
    except Cannot as reason:
        print(f"test-gromacs: {reason}", file=sys.stderr)
        return CANNOT
    except RuntimeError as reason:
        print(f"test-gromacs: {reason}", file=sys.stderr)
        return FAILED


def run(folder: Path, names: Sequence[str], checks: Sequence[Check]) -> int:
    """Run checks in suites and print the table. Raises Cannot, RuntimeError."""
    columns = {}
    suites = []
    for name in names:
        log = folder / f"{name}-installation.log"
        log.unlink(missing_ok=True)
        suites.append(install(folder, name, log))
    run_here(folder / "host", folder / "host.log")
    for suite in suites:
        for inside in (HOST, CLONE):
            shutil.rmtree(suite.root / inside[1:], ignore_errors=True)
        shutil.copytree(folder / "host", suite.root / HOST[1:], symlinks=True)
        copy_project(suite.root / CLONE[1:])
        columns[f"{suite.name} (GROMACS, Python {suite.has()})"] = judge(suite, checks, folder)
    print(table(columns))
    return FAILED if any(text.startswith("FAILED") for column in columns.values() for text in column.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
