"""From published trajectories to tables and figures. Rerunning these never touches a simulation.

On a cluster the rules of the group `analysis` share one job for each system; those that only read energies run where
Snakemake runs.
"""

from eoli.reduce import FORMAT


localrules:
    density,
    traces,


rule density:
    input:
        energies=lambda wildcards: PLAN.file(wildcards.system, PLAN.density_stage, "md.edr"),
        description="results/{system}/topology/system.json",
    output:
        multiext("results/{system}/analysis/density", ".csv", ".json"),
    log:
        "results/{system}/analysis/density.log",
    resources:
        mem_mb=energies_mb,
    params:
        flags=PLAN.density_flags,
    shell:
        "eoli density --energies {input.energies:q} --system-json {input.description:q} {params.flags}"
        " --out results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


# each stage by itself, so that a sweep that stopped shows the traces of what ran
rule traces:
    input:
        energies=lambda wildcards: PLAN.file(wildcards.system, wildcards.stage, "md.edr"),
        description="results/{system}/topology/system.json",
    output:
        multiext("results/{system}/analysis/traces-{stage}", ".csv", ".json"),
    log:
        "results/{system}/analysis/traces-{stage}.log",
    resources:
        mem_mb=energies_mb,
    params:
        flags=lambda wildcards: PLAN.traces_flags(wildcards.stage),
    shell:
        "eoli traces --energies {input.energies:q} --system-json {input.description:q} {params.flags}"
        " --out results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


if PLAN.cooling_stage:

    localrules:
        specific_volume,

    rule specific_volume:
        input:
            energies=lambda wildcards: PLAN.file(wildcards.system, PLAN.cooling_stage, "md.edr"),
            description="results/{system}/topology/system.json",
        output:
            multiext("results/{system}/analysis/specific-volume", ".csv", ".json"),
        log:
            "results/{system}/analysis/specific-volume.log",
        resources:
            mem_mb=energies_mb,
        params:
            flags=lambda wildcards: PLAN.cooling_flags(wildcards.system),
        shell:
            "eoli specific-volume --energies {input.energies:q} --system-json {input.description:q} {params.flags}"
            " --out results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule reduce:
    input:
        trajectory=lambda wildcards: PLAN.file(wildcards.system, ANALYSED, "md.xtc"),
        description="results/{system}/topology/system.json",
    output:
        "results/{system}/analysis/reduced.h5",
    log:
        "results/{system}/analysis/reduce.log",
    group:
        "analysis"
    resources:
        mem_mb=lambda wildcards: PLAN.analysis_mb(wildcards.system),
    params:
        flags=PLAN.reduce_flags,
        # one of an earlier format is made again
        format=FORMAT,
    shell:
        "eoli reduce --trajectory {input.trajectory:q} --system-json {input.description:q} {params.flags}"
        " --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


# One rule for each analysis of the reduced trajectory, named after it: `snakemake -R conductivity` repeats that one.
for analysis, files in REDUCED.items():

    rule:
        name:
            analysis.replace("-", "_")
        input:
            reduced="results/{system}/analysis/reduced.h5",
            description="results/{system}/topology/system.json",
        output:
            [f"results/{{system}}/analysis/{file}" for file in files],
        log:
            f"results/{{system}}/analysis/{analysis}.log",
        group:
            "analysis"
        resources:
            mem_mb=lambda wildcards: PLAN.analysis_mb(wildcards.system),
        params:
            analysis=analysis,
            flags=partial(lambda name, wildcards: PLAN.analysis_flags(name, wildcards.system), analysis),
        shell:
            "eoli {params.analysis} --reduced {input.reduced:q} --system-json {input.description:q} {params.flags}"
            " --out results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


# all independent starts of one system at once
if PLAN.families:

    rule starts:
        input:
            reduced=lambda wildcards: expand(
                "results/{system}/analysis/reduced.h5", system=PLAN.families[wildcards.family]
            ),
            descriptions=lambda wildcards: expand(
                "results/{system}/topology/system.json", system=PLAN.families[wildcards.family]
            ),
        output:
            "results/summary/starts/{family}.json",
        log:
            "results/summary/starts/{family}.log",
        group:
            "starts"
        resources:
            mem_mb=lambda wildcards: sum(map(PLAN.analysis_mb, PLAN.families[wildcards.family])),
        params:
            flags=lambda wildcards: PLAN.starts_flags(wildcards.family),
        shell:
            "eoli starts --reduced {input.reduced:q} --system-json {input.descriptions:q} {params.flags}"
            " --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule interactions:
    input:
        trajectory=lambda wildcards: PLAN.file(wildcards.system, ANALYSED, "md.xtc"),
        topology=multiext(
            "results/{system}/topology/",
            "system.top",
            "system.json",
            "forcefield.itp",
        ),
    output:
        multiext("results/{system}/analysis/interactions", ".csv", ".json"),
    log:
        "results/{system}/analysis/interactions.log",
    resources:
        mem_mb=lambda wildcards: PLAN.analysis_mb(wildcards.system),
        gmx=PLAN.gmx_flags,
    params:
        flags=lambda wildcards: PLAN.interaction_flags(wildcards.system),
    shell:
        "eoli interactions --trajectory {input.trajectory:q} --topology results/{wildcards.system}/topology"
        " {params.flags} --log {log:q} --out results/{wildcards.system}/analysis {resources.gmx}"


rule figures:
    input:
        expand(
            "results/{{system}}/analysis/{table}.{ext}",
            table=["motion", "ions", "conductivity", "mechanism", "morphology"],
            ext=["csv", "json"],
        ),
        structure="results/{system}/analysis/structure.csv",
        description="results/{system}/topology/system.json",
    output:
        shown_figures("results/{system}/analysis", FIGURES, "system", "Systems", system="{system}"),
        expand("results/{{system}}/analysis/{figure}.png", figure=FIGURES),
    log:
        "results/{system}/analysis/figures.log",
    group:
        "analysis"
    shell:
        "eoli figures --system {wildcards.system} --system-json {input.description:q}"
        " --analysis results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"
