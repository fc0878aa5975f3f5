"""From published trajectories to tables and figures. Rerunning these never touches a simulation."""


rule density:
    input:
        energies=f"results/{{system}}/{PLAN.density_stage}/md.edr",
        description="results/{system}/topology/system.json",
    output:
        csv="results/{system}/analysis/density.csv",
        json="results/{system}/analysis/density.json",
    log:
        "results/{system}/analysis/density.log",
    shell:
        "eoli density --energies {input.energies:q} --system-json {input.description:q}"
        " --out-csv {output.csv:q} --out-json {output.json:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule structure:
    input:
        trajectory=f"results/{{system}}/{ANALYSED}/md.xtc",
        description="results/{system}/topology/system.json",
    output:
        csv="results/{system}/analysis/structure.csv",
        json="results/{system}/analysis/structure.json",
    log:
        "results/{system}/analysis/structure.log",
    params:
        flags=PLAN.structure_flags(),
    shell:
        "eoli structure --trajectory {input.trajectory:q} --system-json {input.description:q} {params.flags}"
        " --out-csv {output.csv:q} --out-json {output.json:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule motion:
    input:
        trajectory=f"results/{{system}}/{ANALYSED}/md.xtc",
        description="results/{system}/topology/system.json",
    output:
        csv="results/{system}/analysis/motion.csv",
        json="results/{system}/analysis/motion.json",
    log:
        "results/{system}/analysis/motion.log",
    params:
        flags=PLAN.motion_flags(),
    shell:
        "eoli motion --trajectory {input.trajectory:q} --system-json {input.description:q} {params.flags}"
        " --out-csv {output.csv:q} --out-json {output.json:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"


rule figures:
    input:
        structure="results/{system}/analysis/structure.csv",
        motion="results/{system}/analysis/motion.csv",
        verdict="results/{system}/analysis/motion.json",
    output:
        multiext("results/{system}/analysis/structure", ".svg", ".png"),
        multiext("results/{system}/analysis/motion", ".svg", ".png"),
    log:
        "results/{system}/analysis/figures.log",
    shell:
        "eoli figures --system {wildcards.system} --analysis results/{wildcards.system}/analysis"
        " 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"
