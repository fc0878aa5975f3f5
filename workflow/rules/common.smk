"""The study's plan: configuration, systems, flags. Everything that thinks is in scripts/eoli."""

import os
import sys
from functools import partial

from eoli.errors import EoliError
from eoli.workflow import FIGURES, PAPER_FORMATS, REDUCED, SWEEP_FIGURES, TABLES, make_plan

BASE = os.path.relpath(workflow.basedir)

try:
    CALL = workflow.config_settings
    PLAN = make_plan(config, workflow.configfiles, CALL.configfiles or [], CALL.config or {}, BASE)
except EoliError as error:
    print(f"eoli: {error}", file=sys.stderr)
    sys.exit(error.exit_code)

BLOCKS = str(PLAN.study.topologies)
STAGES = [stage.name for stage in PLAN.study.stages]
ANALYSED = PLAN.study.config.analysis.stage


wildcard_constraints:
    system=r"[A-Za-z0-9][\w.-]*",
    stage="|".join(STAGES),


localrules:
    all,


onstart:
    shell("eoli check --gromacs {PLAN.config_flags} --base {BASE:q}")


onerror:
    shell("eoli collect {PLAN.config_flags} --base {BASE:q} --partial --out results/summary/sweep-partial.csv")
    shell(
        "eoli report {PLAN.config_flags} --base {BASE:q} --table results/summary/sweep-partial.csv"
        " --out results/summary/report-partial.html"
    )
    shell("eoli status {PLAN.config_flags} --base {BASE:q} | cat")
