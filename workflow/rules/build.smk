"""From composition to a packed box."""


rule topology:
    output:
        multiext("results/{system}/topology/", top="system.top", json="system.json", forcefield="forcefield.itp"),
    log:
        "results/{system}/topology/topology.log",
    resources:
        # where it is and how it is run, not what: resources never make a result stale
        blocks=BLOCKS,
        gmx=PLAN.gmx_flags,
    params:
        flags=lambda wildcards: PLAN.topology_flags(wildcards.system),
        # the building blocks by content: their files are no input, for a comment or a date must rerun nothing
        blocks_sha256=lambda wildcards: PLAN.blocks_digest(wildcards.system),
    shell:
        "eoli topology --blocks {resources.blocks:q} {params.flags} --out results/{wildcards.system}/topology"
        " {resources.gmx} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule parameters:
    input:
        "results/{system}/topology/system.json",
    output:
        "results/{system}/topology/parameters.html",
    log:
        "results/{system}/topology/parameters.log",
    resources:
        blocks=BLOCKS,
        gmx=PLAN.gmx_flags,
    params:
        said_sha256=PLAN.citations_digest,
    shell:
        "eoli parameters --system {wildcards.system} --system-json {input:q} --blocks {resources.blocks:q}"
        " --out {output:q} {resources.gmx} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule box:
    input:
        "results/{system}/topology/system.json",
    output:
        gro="results/{system}/box/box.gro",
        report="results/{system}/box/box.json",
    log:
        "results/{system}/box/packmol.log",
    params:
        flags=lambda wildcards: PLAN.box_flags(wildcards.system),
    shell:
        "eoli box --system-json {input:q} {params.flags} --gro {output.gro:q} --report {output.report:q} --log {log:q}"
