from snakemake.utils import min_version

min_version("9.13")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/build.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/imported.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/summarise.smk"


rule all:
    default_target: True
    input:
        expand("results/summary/{table}.csv", table=SUMMARIES),
        "results/summary/report.html",
        expand("results/summary/{figure}.svg", figure=SWEEP_FIGURES),
        ["results/summary/glass-transition.csv"] if PLAN.cooling_stage else [],
        "results/summary/paper.svg",
        of_all("results/{system}/topology/parameters.html", PLAN.built),
        of_all("results/{system}/analysis/{figure}.svg", figure=FIGURES),
        of_all("results/{system}/analysis/snapshot.png"),
        # asked for by name, so that a lost one is noticed although nothing behind it is missing
        of_all("results/{system}/analysis/{table}.csv", table=TABLES),
        lambda wildcards: PLAN.files([ANALYSED], "md.xtc"),
