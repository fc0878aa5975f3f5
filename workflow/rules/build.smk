"""From composition to a packed box; on a cluster one job for each system."""


rule topology:
    output:
        multiext("results/{system}/topology/", top="system.top", json="system.json", forcefield="forcefield.itp"),
    log:
        "results/{system}/topology/topology.log",
    group:
        "build"
    conda:
        GROMACS_ENVIRONMENT
    params:
        blocks=how(BLOCKS),
        gmx=how(PLAN.gmx_flags),
        flags=lambda wildcards: PLAN.topology_flags(wildcards.system),
        # the building blocks by content: their files are no input, for a comment or a date must rerun nothing
        blocks_sha256=lambda wildcards: PLAN.blocks_digest(wildcards.system),
    shell:
        "eoli topology --blocks {params.blocks:q} {params.flags} --out results/{wildcards.system}/topology"
        " {params.gmx} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule parameters:
    input:
        "results/{system}/topology/system.json",
    output:
        shown(
            "results/{system}/topology/parameters.html",
            "system/parameters",
            "Systems",
            system="{system}",
            figure="parameters",
        ),
    log:
        "results/{system}/topology/parameters.log",
    group:
        "build"
    conda:
        GROMACS_ENVIRONMENT
    params:
        blocks=how(BLOCKS),
        gmx=how(PLAN.gmx_flags),
        # the description, an input, has these molecules
        flags=lambda wildcards, resources: PLAN.molecules_flags(wildcards.system),
        said_sha256=PLAN.citations_digest,
    shell:
        "eoli parameters --system {wildcards.system} --system-json {input:q} --blocks {params.blocks:q}"
        " {params.flags} --out {output:q} {params.gmx} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule box:
    input:
        "results/{system}/topology/system.json",
    output:
        gro="results/{system}/box/box.gro",
        report="results/{system}/box/box.json",
    log:
        "results/{system}/box/packmol.log",
    group:
        "build"
    params:
        flags=lambda wildcards: PLAN.box_flags(wildcards.system),
    shell:
        "eoli box --system-json {input:q} {params.flags} --gro {output.gro:q} --report {output.report:q} --log {log:q}"


# The box of a system whose name says how often it repeats that of its parent.
ruleorder: supercell > box


rule supercell:
    input:
        description="results/{system}/topology/system.json",
        repeated=lambda wildcards: PLAN.repeated_files(wildcards.system),
    output:
        gro="results/{system}/box/box.gro",
        report="results/{system}/box/box.json",
    log:
        "results/{system}/box/supercell.log",
    wildcard_constraints:
        system=r"[A-Za-z0-9][\w.-]*-\d+x\d+x\d+-r\d+",
    # not that of its parent's topology, which the stages in between come after
    group:
        "supercell"
    params:
        flags=lambda wildcards: PLAN.supercell_flags(wildcards.system),
    shell:
        "eoli supercell --system-json {input.description:q} --small-json {input.repeated[0]:q}"
        " --state {input.repeated[1]:q} {params.flags} --gro {output.gro:q} --report {output.report:q}"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"
