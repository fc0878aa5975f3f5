"""From published trajectories to tables and figures. Rerunning these never touches a simulation.

On a cluster the rules of the group `analysis` share one job for each system; those that only read energies run where
Snakemake runs.
"""

from eoli.trajectory.sizes import FORMAT

# One rule for each analysis, named after it: `snakemake -R conductivity` repeats that one. A stage's energies are read for
# each stage by itself, so that a sweep that stopped shows the traces of what ran.
for analysis in PLAN.analyses:
    if analysis.reads == "energies":

        rule:
            name:
                analysis.rule
            input:
                energies=source_of(analysis),
                description="results/{system}/topology/system.json",
            output:
                outputs_of(analysis),
            log:
                f"results/{{system}}/analysis/{analysis.log}",
            localrule: True
            resources:
                mem_mb=energies_mb,
                # no parameter, for finished results were made without it
                analysis=analysis.name,
            params:
                flags=flags_of(analysis),
            shell:
                "eoli {resources.analysis} --energies {input.energies:q} --system-json {input.description:q} {params.flags}"
                " --out results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"

    elif analysis.reads == "reduced":

        rule:
            name:
                analysis.rule
            input:
                reduced=source_of(analysis),
                description="results/{system}/topology/system.json",
            output:
                outputs_of(analysis),
            log:
                f"results/{{system}}/analysis/{analysis.log}",
            group:
                "analysis"
            resources:
                mem_mb=lambda wildcards: PLAN.analysis_mb(wildcards.system),
            params:
                analysis=analysis.name,
                flags=flags_of(analysis),
            shell:
                "eoli {params.analysis} --reduced {input.reduced:q} --system-json {input.description:q} {params.flags}"
                " --out results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule reduce:
    input:
        trajectory=source_of(BY_NAME["reduce"]),
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
        flags=flags_of(BY_NAME["reduce"]),
        # one of an earlier format is made again
        format=FORMAT,
    shell:
        "eoli reduce --trajectory {input.trajectory:q} --system-json {input.description:q} {params.flags}"
        " --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


# all independent starts of one system at once
if PLAN.replica_groups:

    rule starts:
        input:
            reduced=lambda wildcards: expand(
                "results/{system}/analysis/reduced.h5", system=PLAN.replica_groups[wildcards.group]
            ),
            descriptions=lambda wildcards: expand(
                "results/{system}/topology/system.json", system=PLAN.replica_groups[wildcards.group]
            ),
        output:
            "results/summary/starts/{group}.json",
        log:
            "results/summary/starts/{group}.log",
        group:
            "starts"
        resources:
            mem_mb=lambda wildcards: sum(map(PLAN.analysis_mb, PLAN.replica_groups[wildcards.group])),
        params:
            flags=lambda wildcards: PLAN.starts_flags(wildcards.group),
        shell:
            "eoli starts --reduced {input.reduced:q} --system-json {input.descriptions:q} {params.flags}"
            " --out {output:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule interactions:
    input:
        trajectory=source_of(BY_NAME["interactions"]),
        topology=multiext(
            "results/{system}/topology/",
            "system.top",
            "system.json",
            "forcefield.itp",
        ),
    output:
        outputs_of(BY_NAME["interactions"]),
    log:
        "results/{system}/analysis/interactions.log",
    conda:
        GROMACS_ENVIRONMENT
    resources:
        mem_mb=lambda wildcards: PLAN.analysis_mb(wildcards.system),
        gmx=PLAN.gmx_flags,
    params:
        flags=flags_of(BY_NAME["interactions"]),
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
