"""From all systems to the table and the figures of the sweep, where Snakemake runs."""


localrules:
    collect,
    cost,
    sweep_figures,
    paper_figure,
    compare,
    temperature,
    replicas,
    cutoffs,
    report,


rule collect:
    input:
        of_all(
            "results/{system}/analysis/{table}.json",
            table=TABLES,
        ),
        lambda wildcards: PLAN.files(STAGES, "verdict.json"),
    output:
        shown("results/summary/sweep.csv", "tables/sweep", "Tables", table="sweep"),
    log:
        "results/summary/collect.log",
    resources:
        # the names of the files; what they say reaches this rule through its inputs
        config=PLAN.config_flags,
        base=BASE,
    params:
        study=literal(PLAN.study.config.study),
    shell:
        "eoli collect {resources.config} --base {resources.base:q} --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule cost:
    input:
        lambda wildcards: PLAN.files(STAGES, "verdict.json"),
    output:
        shown("results/summary/cost.csv", "tables/cost", "Tables", table="cost"),
    log:
        "results/summary/cost.log",
    resources:
        config=PLAN.config_flags,
        base=BASE,
    shell:
        "eoli cost {resources.config} --base {resources.base:q} --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule sweep_figures:
    input:
        table="results/summary/sweep.csv",
        structures=of_all("results/{system}/analysis/structure.csv", PLAN.salted()),
    output:
        shown_figures("results/summary", PLAN.sweep_figures, "sweep", "Sweep"),
        expand("results/summary/{figure}.png", figure=PLAN.sweep_figures),
    log:
        "results/summary/figures.log",
    resources:
        blocks=BLOCKS,
    shell:
        "eoli sweep-figures --table {input.table:q} --blocks {resources.blocks:q} --results results --out results/summary"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule paper_figure:
    input:
        expand(
            "results/{system}/analysis/{file}",
            system=PLAN.paper_systems,
            file=["snapshot-scene.json", "structure.csv", "motion.csv"],
        ),
        table="results/summary/sweep.csv",
    output:
        shown("results/summary/paper.svg", "paper", "For papers", figure="after Fig. 18"),
        multiext("results/summary/paper", ".pdf", ".png"),
    log:
        "results/summary/paper.log",
    resources:
        blocks=BLOCKS,
    params:
        analyses=[f"results/{system}/analysis" for system in PLAN.paper_systems],
    shell:
        "eoli paper-figure --table {input.table:q} --blocks {resources.blocks:q} --analyses {params.analyses:q}"
        " --out results/summary/paper"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


STARTS = [f"results/summary/starts/{group}.json" for group in PLAN.replica_groups]


rule compare:
    input:
        STARTS,
        table="results/summary/sweep.csv",
        study=PLAN.study.found(PLAN.study.config.reference.study),
        conductivity=PLAN.study.found(PLAN.study.config.reference.conductivity),
        transport=PLAN.study.found(PLAN.study.config.reference.transport),
        displacements=of_all("results/{system}/analysis/displacement.csv", PLAN.salted()),
    output:
        shown("results/summary/study.csv", "tables/study", "Tables", table="beside the study"),
        shown("results/summary/experiments.csv", "tables/experiments", "Tables", table="beside measurements"),
        shown("results/summary/equal-lag.csv", "tables/equal-lag", "Tables", table="displacements at equal lag"),
        shown("results/summary/ranking.csv", "tables/ranking", "Tables", table="ranking by displacement"),
        shown("results/summary/equal-lag.svg", "sweep/equal-lag", "Sweep", figure="displacements at equal lag"),
        multiext("results/summary/equal-lag", ".png", "-course.csv"),
        shown("results/summary/experiments.svg", "sweep/experiments", "Sweep", figure="beside measured values"),
        "results/summary/experiments.png",
        "results/summary/compare.json",
    log:
        "results/summary/compare.log",
    params:
        against=literal(PLAN.against_flags),
    shell:
        "eoli compare {params.against} --table {input.table:q} --results results --study {input.study:q}"
        " --conductivity {input.conductivity:q} --transport {input.transport:q} --out results/summary"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule temperature:
    input:
        "results/summary/sweep.csv",
    output:
        shown("results/summary/temperature.csv", "tables/temperature", "Tables", table="temperature"),
    log:
        "results/summary/temperature.log",
    shell:
        "eoli temperature --table {input:q} --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule replicas:
    input:
        STARTS,
        table="results/summary/sweep.csv",
    output:
        shown("results/summary/replicas.csv", "tables/replicas", "Tables", table="replicas"),
        shown("results/summary/starts.csv", "tables/starts", "Tables", table="starts together"),
    log:
        "results/summary/replicas.log",
    shell:
        "eoli replicas --table {input.table:q} --results results --out results/summary"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule cutoffs:
    input:
        of_all("results/{system}/analysis/structure.{ext}", PLAN.salted(), ext=["csv", "json"]),
    output:
        shown("results/summary/cutoffs.csv", "tables/cutoffs", "Tables", table="cutoffs"),
    log:
        "results/summary/cutoffs.log",
    resources:
        config=PLAN.config_flags,
        base=BASE,
    params:
        contacts_nm=PLAN.study.config.analysis.contacts_nm,
    shell:
        "eoli cutoffs {resources.config} --base {resources.base:q} --out {output:q}"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


if PLAN.cooling_stage:

    localrules:
        glass_transition,

    rule glass_transition:
        input:
            of_all("results/{system}/analysis/specific-volume.csv", PLAN.built),
            PLAN.study.found(PLAN.study.config.reference.study),
        output:
            shown(
                "results/summary/glass-transition.csv",
                "tables/glass-transition",
                "Tables",
                table="glass transition",
            ),
            shown(
                "results/summary/glass-transition.svg",
                "sweep/glass-transition",
                "Sweep",
                figure="glass transition",
            ),
            "results/summary/glass-transition.png",
        log:
            "results/summary/glass-transition.log",
        resources:
            config=PLAN.config_flags,
            base=BASE,
        shell:
            "eoli glass-transition {resources.config} --base {resources.base:q} --out results/summary"
            " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule report:
    input:
        expand("results/summary/{table}.csv", table=SUMMARIES),
        "results/summary/compare.json",
        multiext("results/summary/", "equal-lag.svg", "experiments.svg"),
        multiext("results/summary/glass-transition", ".csv", ".svg") if PLAN.cooling_stage else [],
        of_all("results/{system}/analysis/{table}.csv", table=TABLES),
        of_all("results/{system}/analysis/snapshot-scene.json"),
        lambda wildcards: PLAN.traces_files(),
    output:
        shown("results/summary/report.html", "page", "Page", page="answers, plots, boxes, study, trust"),
    log:
        "results/summary/report.log",
    resources:
        config=PLAN.config_flags,
        base=BASE,
    shell:
        "eoli report {resources.config} --base {resources.base:q} --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"
