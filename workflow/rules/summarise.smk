"""From all systems to the table and the figures of the sweep."""


rule collect:
    input:
        expand(
            "results/{system}/analysis/{table}.json",
            system=PLAN.systems,
            table=["density", "structure", "motion"],
        ),
        expand(
            "results/{system}/{stage}/verdict.json",
            system=PLAN.systems,
            stage=[stage.name for stage in PLAN.study.stages],
        ),
    output:
        "results/summary/sweep.csv",
    log:
        "results/summary/collect.log",
    resources:
        # the names of the files; what they say reaches this rule through its inputs
        config=PLAN.config_flags,
        base=BASE,
    params:
        study=PLAN.study.config.study,
    shell:
        "eoli collect {resources.config} --base {resources.base:q} --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule sweep_figures:
    input:
        table="results/summary/sweep.csv",
        structures=expand("results/{system}/analysis/structure.csv", system=PLAN.salted()),
    output:
        multiext("results/summary/sweep", ".svg", ".png"),
        multiext("results/summary/rdf", ".svg", ".png") if PLAN.salted() else [],
    log:
        "results/summary/figures.log",
    shell:
        "eoli sweep-figures --table {input.table:q} --structures {input.structures:q} --out results/summary"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"
