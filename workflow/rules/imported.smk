"""Runs that were made elsewhere: their files, which are only read, become a topology and a stage like those made here."""

# one rule for runs with energies and one for those without, since a rule leaves the same files for all
for energies in (False, True):
    runs = [name for name, run in PLAN.imported.items() if (run.energies is not None) == energies]
    if runs:

        rule:
            name:
                "import_run_with_energies" if energies else "import_run"
            input:
                lambda wildcards: sum(PLAN.import_files(wildcards.system).values(), []),
            output:
                "results/{system}/topology/system.json",
                multiext(f"results/{{system}}/{ANALYSED}/", "md.xtc", "verdict.json"),
                [f"results/{{system}}/{ANALYSED}/md.edr"] if energies else [],
            log:
                "results/{system}/import.log",
            wildcard_constraints:
                system=any_of(runs),
            localrule: True
            params:
                gmx=how(PLAN.gmx_flags),
                flags=lambda wildcards: PLAN.import_flags(wildcards.system),
            shell:
                "eoli import-run {params.gmx} {params.flags} --out results/{wildcards.system} 2> {log:q}"
                " || {{ cat {log:q} >&2; exit 1; }}"

        for other in ("topology", *STAGES):
            workflow.ruleorder("import_run_with_energies" if energies else "import_run", other)


# files that say why there are no results
for analysis in PLAN.analyses:
    lacking = [name for name in PLAN.imported if PLAN.lacks(analysis, name)]
    if lacking:

        rule:
            name:
                f"no_{analysis.rule}"
            input:
                "results/{system}/topology/system.json",
            output:
                outputs_of(analysis),
            log:
                f"results/{{system}}/analysis/no-{analysis.log}",
            wildcard_constraints:
                system=any_of(lacking),
            localrule: True
            resources:
                analysis=analysis.name,
            params:
                flags=partial(
                    lambda of, wildcards: PLAN.absent_flags(of, wildcards.system, wildcards.get("stage")),
                    analysis,
                ),
            shell:
                "eoli absent {resources.analysis} {params.flags} --system-json {input:q}"
                " --out results/{wildcards.system}/analysis 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"

        workflow.ruleorder(f"no_{analysis.rule}", analysis.rule)
