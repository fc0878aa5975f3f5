"""One rule for every stage of the protocol, named after it: `snakemake -R npt` reruns the stage npt.

Only finished files are declared. The run itself lives in the undeclared folder results/<system>/<stage>/run, so that
Snakemake, which deletes the declared files of a failed job, never touches a checkpoint or a growing trajectory.
"""

for stage in PLAN.study.stages:

    rule:
        name:
            stage.name
        input:
            start=partial(
                lambda name, wildcards: PLAN.start_files(name, wildcards.system),
                stage.name,
            ),
            topology=multiext(
                "results/{system}/topology/",
                "system.top",
                "system.json",
                "forcefield.itp",
            ),
        output:
            # update(): the finished result stays usable while the stage is extended, and after that failed
            [update(f"results/{{system}}/{stage.name}/{name}") for name in stage.published],
        log:
            f"results/{{system}}/{stage.name}/stage.log",
        conda:
            GROMACS_ENVIRONMENT
        threads: PLAN.threads(CORES)
        resources:
            mem_mb=1500,
            # how it is run, not what: resources never make a finished stage stale
            run=PLAN.run_flags(CORES),
            offload=PLAN.offload_flags(stage.name),
            gmx=PLAN.gmx_flags,
        params:
            stage=stage.name,
            flags=partial(
                lambda name, wildcards: PLAN.stage_flags(name, wildcards.system),
                stage.name,
            ),
            # made from a resource, so that another walltime makes no result stale
            walltime=lambda wildcards, resources: walltime_flags(resources.get("runtime")),
        shell:
            "eoli stage --system {wildcards.system} --topology results/{wildcards.system}/topology"
            " --start-from {input.start[0]:q} --out results/{wildcards.system}/{params.stage} {params.flags}"
            " --threads {threads} {params.walltime} {resources.run} {resources.offload} {resources.gmx} --log {log:q}"
