"""What EOLI reads of GROMACS' output and how it calls mdrun; no GROMACS needed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from eoli.errors import InputError, ToolError
from eoli.gromacs import build
from eoli.gromacs.adopt import Baths, baths_in
from eoli.gromacs.build import (
    Gromacs,
    inspect,
    launched_ranks,
    left_out,
    native_program,
    parse_version,
    program_of,
    require,
    require_for,
)
from eoli.gromacs.known_bugs import KNOWN_BUGS, Met
from eoli.gromacs.mdrun import mdrun_command, mdrun_start
from eoli.gromacs.tools import fatal_message, run_tool
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Stage
from support import ROOT

# Shortened output of GROMACS 2022.5.
HEAD = """\
              :-) GROMACS - gmx grompp, 2022.5-Debian_2022.5_2 (-:

Executable:   /usr/bin/gmx
Data prefix:  /usr
Command line:
  gmx grompp -f run.mdp -c box.gro -p system.top -o run.tpr

"""
TAIL = """\

For more information and tips for troubleshooting, please check the GROMACS
website at http://www.gromacs.org/Documentation/Errors
-------------------------------------------------------
"""
BROKEN_MDP = f"""{HEAD}
ERROR 1 [file run.mdp, line 5]:
  Invalid enum 'pmee' for variable coulombtype, using 'Cut-off'
  Next time, use one of: 'Cut-off' 'Reaction-Field' 'PME'


-------------------------------------------------------
Program:     gmx grompp, version 2022.5-Debian_2022.5_2
Source file: src/gromacs/fileio/readinp.cpp (line 245)

Fatal error:
There was 1 error in input file(s)
{TAIL}"""
WARNED = f"""{HEAD}
WARNING 1 [file run.mdp]:
  The Berendsen thermostat does not generate the correct kinetic energy
  distribution, and should not be used for new production simulations (in
  our opinion). We would recommend the V-rescale thermostat.

Number of degrees of freedom in T-Coupling group System is 579.00

NOTE 1 [file run.mdp]:
  The optimal PME mesh load for parallel simulations is below 0.5


There was 1 note

There was 1 warning

-------------------------------------------------------
Program:     gmx grompp, version 2022.5-Debian_2022.5_2
Source file: src/gromacs/gmxpreprocess/grompp.cpp (line 2661)

Fatal error:
Too many warnings (1).
If you are sure all warnings are harmless, use the -maxwarn option.
{TAIL}Setting the LD random seed to 1869610983
"""
COORDINATES = f"""{HEAD}
NOTE 1 [file run.mdp]:
  You are using a plain Coulomb cut-off, which might produce artifacts.

-------------------------------------------------------
Program:     gmx grompp, version 2022.5-Debian_2022.5_2
Source file: src/gromacs/gmxpreprocess/grompp.cpp (line 703)

Fatal error:
number of coordinates in coordinate file (box.gro, 194)
             does not match topology (system.top, 267)
{TAIL}"""
MISSING_FILE = f"""{HEAD}
-------------------------------------------------------
Program:     gmx mdrun, version 2022.5-Debian_2022.5_2
Source file: src/gromacs/commandline/cmdlineparser.cpp (line 271)
Function:    void gmx::CommandLineParser::parse(int*, char**)

Error in user input:
Invalid command-line options
  In command-line option -s
    File 'absent.tpr' does not exist or is not accessible.
    The file could not be opened.
      Reason: No such file or directory
      (call to fopen() returned error code 2)
{TAIL}"""
# of GROMACS 2025.2, with a title that 2022.5 does not use there
NO_BOX = f"""starting mdrun 'tiny'
5000 steps,     10.0 ps.

Step 0  Warning: pressure scaling more than 1%, mu: 0 0 0

-------------------------------------------------------
Program:     gmx mdrun, version 2025.2-Debian_2025.2_1
Source file: boxmatrix.h (line 181)
Function:    gmx::Matrix3x3 gmx::invertBoxMatrix(const Matrix3x3&)

Range checking error (possible bug):
Cannot invert matrix, determinant is too close to zero
{TAIL}"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2022.5-Debian_2022.5_2", (2022, 5)),
        ("2024", (2024, 0)),
        ("2025.1-conda_forge", (2025, 1)),
        ("2019.6", (2019, 6)),
    ],
)
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == version


def test_a_text_without_a_version() -> None:
    with pytest.raises(ToolError, match="cannot read a version from 'unknown'"):
        parse_version("unknown")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            BROKEN_MDP,
            "Invalid enum 'pmee' for variable coulombtype, using 'Cut-off' "
            "Next time, use one of: 'Cut-off' 'Reaction-Field' 'PME'",
        ),
        (
            WARNED,
            "The Berendsen thermostat does not generate the correct kinetic energy distribution, and should not be "
            "used for new production simulations (in our opinion). We would recommend the V-rescale thermostat.",
        ),
        (
            COORDINATES,
            "number of coordinates in coordinate file (box.gro, 194) does not match topology (system.top, 267)",
        ),
        (
            MISSING_FILE,
            "Invalid command-line options In command-line option -s File 'absent.tpr' does not exist or is not "
            "accessible. The file could not be opened. Reason: No such file or directory (call to fopen() returned "
            "error code 2)",
        ),
        (NO_BOX, "Cannot invert matrix, determinant is too close to zero"),
        ("one line\n\nSegmentation fault\n\n", "Segmentation fault"),
        ("", "no output"),
    ],
    ids=["broken-mdp", "warning", "coordinates", "missing-file", "title", "crash", "silence"],
)
def test_the_cause_of_a_failure(text: str, cause: str) -> None:
    assert fatal_message(text) == cause


def test_errors_go_before_warnings_and_all_are_told() -> None:
    warning = WARNED[WARNED.index("WARNING 1") : WARNED.index("Number of")]
    second = BROKEN_MDP.replace("ERROR 1", "ERROR 2").replace("pmee", "pmme")
    text = fatal_message(warning + BROKEN_MDP[: BROKEN_MDP.index("----")] + second)
    assert "'pmee'" in text and "; Invalid enum 'pmme'" in text and "Berendsen" not in text and "\n" not in text


def gromacs(mpi: str, launcher: str = "", version: tuple[int, int] = (2022, 5)) -> Gromacs:
    return Gromacs(
        build=GromacsBuild(command="gmx", launcher=launcher),
        program=Path("/opt/gmx/bin/gmx"),
        version=version,
        version_text=f"{version[0]}.{version[1]}",
        mpi=mpi,
        precision="mixed",
        simd="AVX2_256",
        data_prefix=Path("/opt/gmx"),
    )


def command(build: Gromacs, max_hours: float | None = None, reproducible: bool = False) -> list[str]:
    return mdrun_command(
        build, threads=4, checkpoint_minutes=5.0, max_hours=max_hours, reproducible=reproducible, name="md"
    )


def test_thread_mpi_runs_one_rank() -> None:
    assert command(gromacs("thread_mpi")) == [
        "/opt/gmx/bin/gmx", "mdrun", "-ntomp", "4", "-ntmpi", "1", "-deffnm", "md", "-cpi", "md.cpt", "-cpt", "5",
    ]  # fmt: skip


@pytest.mark.parametrize("mpi", ["MPI", "MPI (CUDA-aware)", "mpi"])
@pytest.mark.parametrize("launcher", ["", "srun --cpu-bind=cores", "mpirun -np 4"])
def test_a_real_mpi_build_gets_its_launcher_and_no_thread_mpi_options(mpi: str, launcher: str) -> None:
    words = command(gromacs(mpi, launcher), max_hours=1.5, reproducible=True)
    assert words[: len(launcher.split()) + 1] == [*launcher.split(), "/opt/gmx/bin/gmx"]
    assert {"-ntmpi", "-nt"} & set(words) == set()
    assert words[words.index("-maxh") + 1] == "1.5000" and words[-1] == "-reprod"


@pytest.mark.parametrize(
    ("launcher", "ranks"),
    [
        ("", 1), ("mpirun -np 4", 4), ("mpirun --bind-to none -n 2 --verbose", 2), ("mpiexec --np 3", 3),
        ("srun --ntasks=8 -c 2", 8), ("srun -n 2", 2), ("srun", 6), ("mpirun", 1),
    ],
)  # fmt: skip
def test_threads_are_shared_among_the_ranks(launcher: str, ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "6")
    assert launched_ranks(launcher) == ranks
    words = command(gromacs("MPI", launcher))
    assert words[words.index("-ntomp") + 1] == str(max(1, 4 // ranks))


@pytest.mark.parametrize(
    ("launcher", "itself"),
    [("", False), ("mpirun -np 2", False), ("srun", True), ("mpirun --hostfile hosts -np 4", True), ("jsrun", True)],
)
def test_a_launcher_that_may_start_elsewhere_binds_itself(launcher: str, itself: bool) -> None:
    assert gromacs("MPI", launcher).binds_itself is itself


def test_where_mdrun_computes_what() -> None:
    words = mdrun_command(
        gromacs("thread_mpi"),
        threads=4,
        checkpoint_minutes=5,
        max_hours=None,
        reproducible=False,
        name="md",
        offload={"nb": "gpu", "update": "cpu"},
    )
    assert words[-4:] == ["-nb", "gpu", "-update", "cpu"]


def test_a_build_without_gpus_is_refused_where_one_is_asked_for() -> None:
    stage = Stage(
        name="nvt", ensemble="NVT", integrator="md", time_step_fs=2, length_ns=0.1, thermostat="v-rescale", tau_t_ps=1,
        frame_interval_ps=1, energy_interval_ps=1, generate_velocities=True, nb="gpu",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"^stage nvt: nb: gpu needs a GROMACS with GPU support; /opt/gmx/bin/gmx has"):
        require_for(gromacs("thread_mpi"), [stage])
    require_for(replace(gromacs("thread_mpi"), gpu="CUDA"), [stage])


def test_the_projects_own_build_is_what_plain_gmx_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eoli.gromacs.build.NATIVE", tmp_path)
    program = tmp_path / "bin" / "gmx"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("eoli.gromacs.build.vector_units", lambda: frozenset({"avx2", "fma", "sse4_1"}))
    # not finished, built for another processor, built for this one
    assert native_program() is None
    (tmp_path / "vector-units").write_text("avx512f fma\n")
    assert native_program() is None
    (tmp_path / "vector-units").write_text("avx2 fma\n")
    assert program_of(GromacsBuild()) == program
    assert program_of(GromacsBuild(command="/bin/sh")) == Path("/bin/sh")


@pytest.mark.parametrize(
    ("mpi", "real"), [("thread_mpi", False), ("none", False), ("MPI", True), ("MPI (GPU-aware)", True)]
)
def test_kinds_of_mpi(mpi: str, real: bool) -> None:
    assert gromacs(mpi).is_real_mpi is real


def test_a_build_that_is_too_old() -> None:
    require(gromacs("thread_mpi", version=(2021, 0)), (2021, 0), "c-rescale")
    with pytest.raises(InputError, match=r"^c-rescale needs GROMACS 2021\.0 or newer; gmx is 2020\.7$"):
        require(gromacs("thread_mpi", version=(2020, 7)), (2021, 0), "c-rescale")


def fake_gmx(folder: Path, script: str) -> GromacsBuild:
    program = folder / "gmx"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return GromacsBuild(command=str(program))


def test_a_build_describes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        "GROMACS version:    2024.2",
        "Precision:          mixed",
        "MPI library:        MPI",
        "SIMD instructions:  AVX2_256",
    ]
    build = fake_gmx(tmp_path, "\n".join(f'echo "{row}"' for row in [*rows, "Data prefix:  /opt/gmx"]))
    found = inspect(build)
    assert (found.version, found.precision, found.simd, found.is_real_mpi) == ((2024, 2), "mixed", "AVX2_256", True)
    monkeypatch.delenv("GMXDATA", raising=False)
    assert found.forcefields == Path("/opt/gmx/share/gromacs/top")
    monkeypatch.setenv("GMXDATA", "/data/gromacs")
    assert found.forcefields == Path("/data/gromacs/top")
    own = tmp_path / "share/gromacs/top"
    own.mkdir(parents=True)
    assert replace(found, data_prefix=tmp_path).forcefields == own


def test_only_how_gpus_are_used_is_left_to_the_environment() -> None:
    names = {"GMX_MAXCONSTRWARN", "GMXLIB", "GMX_NSTLIST", "GMX_ENABLE_DIRECT_GPU_COMM", "HOME", "OMP_NUM_THREADS"}
    assert left_out(dict.fromkeys(names, "1")) == ["GMXLIB", "GMX_MAXCONSTRWARN", "GMX_NSTLIST"]


def test_a_program_sees_no_settings_of_another_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GMX_MAXCONSTRWARN", "GMXLIB", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    build = fake_gmx(tmp_path, 'echo "GROMACS version: 2024.2"; env > "$(dirname "$0")/seen"')
    gromacs = inspect(build)
    run_tool(gromacs, "dump", tmp_path / "log", s=tmp_path / "md.tpr")
    seen = (tmp_path / "seen").read_text()
    assert "GMX_MAXBACKUP=-1" in seen and "MAXCONSTRWARN" not in seen and "GMXLIB" not in seen
    assert "OMP_NUM_THREADS" not in seen
    assert os.environ["GMX_MAXCONSTRWARN"] == "7"
    assert (tmp_path / "log").read_text().startswith(f"$ {build.command} dump -s")


def test_modules_are_loaded_without_a_file_of_ours() -> None:
    build = GromacsBuild(command="gmx_mpi", modules=["gromacs/2024", "cuda/12.4"], launcher="srun -n 2")
    gromacs = Gromacs(build, program_of(build), (2024, 2), "2024.2", "MPI", "mixed", "AVX2_256", Path("/opt"))
    shell = "module load gromacs/2024 >/dev/null || exit 127; module load cuda/12.4 >/dev/null || exit 127; "
    assert gromacs.words == ["/bin/bash", "-lc", f'{shell}exec "$0" "$@"', "gmx_mpi"]
    assert mdrun_start(gromacs, 4) == ["srun", "-n", "2", *gromacs.words, "mdrun", "-ntomp", "2"]


def test_a_build_that_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"--version failed with exit code 127: libgromacs\.so: cannot open") as failure:
        inspect(fake_gmx(tmp_path, "echo 'libgromacs.so: cannot open' >&2; exit 127"))
    assert "\n" not in str(failure.value)


def test_no_gromacs_is_one_line_with_all_ways_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^GROMACS: 'gmx_absent' is not on the PATH; allowed: ") as failure:
        inspect(GromacsBuild(command="gmx_absent"))
    text = str(failure.value)
    assert "\n" not in text
    assert all(way in text for way in ("{command: ", "{modules: ", "apt-get install gromacs", "snakemake --sdm conda"))
    (tmp_path / "bin").mkdir()
    fake_gmx(tmp_path / "bin", "exit 0")
    with pytest.raises(ToolError, match=rf"is a folder; did you mean {tmp_path}/bin/gmx\?; allowed: "):
        inspect(GromacsBuild(command=str(tmp_path)))


def test_gromacs_in_a_prefix_whose_gmxrc_is_not_sourced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = tmp_path / "opt/gromacs 2024"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "share/gromacs/top").mkdir(parents=True)
    script = f'[ -z "$GMXLIB$GMXDATA" ] && echo "GROMACS version:  2024.4"; echo "Data prefix:  {prefix}"'
    build = fake_gmx(prefix / "bin", script)
    for name in ("GMXLIB", "GMXDATA"):
        monkeypatch.setenv(name, "/of/another/installation")
    found = inspect(build)
    assert found.version == (2024, 4) and found.forcefields == prefix / "share/gromacs/top"


def test_gromacs_of_an_environment_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`module` is a function of login shells."""
    (tmp_path / "bin").mkdir()
    fake_gmx(tmp_path / "bin", 'echo "GROMACS version:  2025.2"; echo "Data prefix:  /opt/2025"')
    (tmp_path / ".bash_profile").write_text(
        f'module() {{ [ "$2" = gromacs/2025 ] || {{ echo "no module $2" >&2; return 1; }}; PATH={tmp_path}/bin:$PATH; }}\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    assert inspect(GromacsBuild(command="gmx", modules=["gromacs/2025"])).version_text == "2025.2"
    with pytest.raises(ToolError, match=r"--version failed with exit code 127: no module gromacs/1999$"):
        inspect(GromacsBuild(command="gmx", modules=["gromacs/1999"]))


def test_the_environment_of_conda_leaves_out_what_is_known_to_be_bad() -> None:
    (entry,) = yaml.safe_load((ROOT / "workflow/envs/gromacs.yaml").read_text())["dependencies"]
    name, _, limits = entry.partition(" ")
    allowed = SpecifierSet(limits)
    assert name == "gromacs" and "2025.4" in allowed and "2027.0" not in allowed
    # those of GPUs depend on what a stage computes there
    for bug in KNOWN_BUGS:
        if bug.met in (Met.ALWAYS, Met.THREAD_MPI):
            versions = [f"{bug.first[0]}.{patch}" for patch in range(bug.mended[0][1])]
            assert not [version for version in versions if version in allowed]


def test_the_build_of_the_project_is_looked_for_beside_the_makefile() -> None:
    assert (build.NATIVE.parent / "Makefile").is_file() and build.NATIVE.name == ".gromacs"


def test_baths_of_a_run() -> None:
    dump = "   tcoupl                         = {}\n   ref-t:         {}\nannealing:          {}\n"
    assert baths_in(dump.format("Nose-Hoover", "483", "No")) == Baths((483.0,), True)
    assert baths_in(dump.format("V-rescale", "400 300 400", "No No No")) == Baths((300.0, 400.0), True)
    assert baths_in(dump.format("V-rescale", "600", "Single")) == Baths((600.0,), False)
    assert baths_in(dump.format("No", "300", "No")) == Baths((300.0,), False)
    assert baths_in("   integrator = steep\n") == Baths((), False)
