"""The study's plan: configuration, systems, flags. Everything that thinks is in scripts/eoli."""

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

from snakemake_interface_executor_plugins.settings import DeploymentMethod

from eoli.study.analyses import BY_NAME, TABLES
from eoli.errors import EoliError, InputError
from eoli.workflow.rerun import install
from eoli.workflow.plan import (
    FIGURES,
    SWEEP_FIGURES,
    check_flags,
    make_plan,
    walltime_flags,
)

# of this file, not of the Snakefile: that may be another workflow's, which uses this one as a module
BASE = os.path.relpath(Path(workflow.current_basedir).parents[1])
# a module gets its study as a mapping, which stands over config.yaml as an overlay does
OURS = workflow.modifier.is_main_snakefile()

try:
    if not os.access(".", os.W_OK):
        raise InputError(
            f"{os.getcwd()} cannot be written; allowed: snakemake --directory FOLDER, with a folder for the results"
        )
    CALL = workflow.config_settings
    if OURS:
        FILES = [] if CALL.replace_workflow_config else workflow.configfiles
        PLAN = make_plan(FILES, CALL.configfiles or [], CALL.config_args or [], BASE)
    else:
        ENTRIES = [f"{key}={json.dumps(value)}" for key, value in config.items()]
        PLAN = make_plan([f"{BASE}/config/config.yaml"], [], ENTRIES, BASE)
except (EoliError, OSError) as error:
    print(f"eoli: {error}", file=sys.stderr)
    sys.exit(getattr(error, "exit_code", 1))

install(PLAN, forces=workflow.is_main_process, alone=OURS)

# None leaves the rules without an environment, as if there were no directive
BY_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
GROMACS_ENVIRONMENT = "../envs/gromacs.yaml" if BY_CONDA else None

BLOCKS = str(PLAN.study.topologies)
STAGES = [stage.name for stage in PLAN.study.stages]
# none where jobs run on a cluster: its profile says how many threads a stage gets
CORES = workflow.resource_settings.cores
SUMMARIES = [
    "sweep",
    "study",
    "experiments",
    "equal-lag",
    "ranking",
    "temperature",
    "replicas",
    "starts",
    "cutoffs",
    "cost",
]
ANALYSED = PLAN.study.config.analysis.stage


def how(text):
    """A parameter that says where or how, not what: Snakemake reruns nothing for one that is made from resources."""
    return lambda wildcards, resources: text


def literal(text):
    """A parameter that is used as it is: in a plain one Snakemake looks for wildcards between braces."""
    return lambda wildcards: text


def energies_mb(wildcards, input):
    """Memory of what reads an energy file, MB: measured up to 400,000 frames."""
    return round(300 + 7 * input.size_mb)


def flags_of(analysis):
    """Criteria of an analysis for the system, and the stage where there is one, of the wildcards."""
    return lambda wildcards: PLAN.analysis_flags(analysis, wildcards.system, wildcards.get("stage"))


def source_of(analysis):
    """The file that it reads."""
    return lambda wildcards: PLAN.source(analysis, wildcards.system, wildcards.get("stage"))


def outputs_of(analysis):
    """The files that it leaves; of one that is made of each stage with the wildcard of the stage in their names."""
    return PLAN.outputs(analysis, "{system}", "{stage}")


def of_all(pattern, systems=PLAN.systems, **axes):
    """Files of many systems, listed only when they are wanted: a job of one system has no use for those of a thousand."""
    return lambda wildcards: expand(pattern, system=systems, **axes)


def shown(path, caption, category, **labels):
    """An output that `snakemake --report` shows, with its caption from workflow/report and how it is found there."""
    return report(path, caption=f"../report/{caption}.rst", category=category, labels=labels)


def shown_figures(folder, figures, level, category, **labels):
    """Figures of a folder as SVG, each with its own caption."""
    return [shown(f"{folder}/{name}.svg", f"{level}/{name}", category, figure=name, **labels) for name in figures]


def any_of(names):
    """A pattern of wildcards for these names alone."""
    return "|".join(map(re.escape, names))


wildcard_constraints:
    system=r"[A-Za-z0-9][\w.-]*",
    stage="|".join(STAGES),
    group=any_of(PLAN.replica_groups),


localrules:
    all,


def tell(command, flags=""):
    """Run a command of EOLI about the study; returns its exit code. When it fails, it has said why in one line."""
    words = f"eoli {command} {PLAN.config_flags} --base {shlex.quote(BASE)} {flags}"
    return subprocess.run(words, shell=True, check=False).returncode


def keep_telling():
    """Say how long the rest will take: after a minute, and then again and again, at intervals that grow to an hour."""
    wait_s = 60.0
    while True:
        time.sleep(wait_s)
        tell("status", f"--left --cores {CORES}")
        wait_s = min(1.5 * wait_s, 3600.0)


onstart:
    code = tell("check", check_flags(workflow.executor_plugin.name, workflow.executor_settings, BY_CONDA, CORES))
    if code != 0:
        sys.exit(code)
    if CORES is not None:
        # it ends with Snakemake
        threading.Thread(target=keep_telling, daemon=True).start()


onerror:
    tell("collect", "--partial")
    tell("report", "--partial")
    tell("status", "| cat")
