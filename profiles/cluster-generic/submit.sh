#!/usr/bin/env bash
# Submits a job script of Snakemake and prints the job's number. PBS; for other schedulers change the call of qsub.
set -euo pipefail

# Your cluster: the only lines to change for it.
queue=${EOLI_QUEUE:-}     # qsub -q; empty: the default queue
account=${EOLI_ACCOUNT:-} # qsub -A; empty: your default account

script=$1
# Snakemake writes what a job needs into its script, as JSON in a comment
read -r name threads minutes mem_mb gpus < <(python3 - "$script" <<'PYTHON'
import json, sys

mark = "# properties = "
with open(sys.argv[1], encoding="utf-8") as stream:
    job = next(json.loads(line[len(mark) :]) for line in stream if line.startswith(mark))
asked = job["resources"]
name = job["rule"] if job["type"] == "single" else "group"
print(name, job["threads"], asked["runtime"], asked["mem_mb"], asked.get("gpu", 0))
PYTHON
)
mkdir -p .snakemake/cluster_logs
select="select=1:ncpus=$threads:mem=${mem_mb}mb"
[ "$gpus" = 0 ] || select+=":ngpus=$gpus"
walltime=$(printf '%02d:%02d:00' $((minutes / 60)) $((minutes % 60)))
exec qsub ${queue:+-q "$queue"} ${account:+-A "$account"} -N "eoli-$name" -j oe -o .snakemake/cluster_logs/ \
    -l "$select" -l "walltime=$walltime" "$script"
