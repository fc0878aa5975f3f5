#!/usr/bin/env bash
# Cancels jobs when Snakemake is interrupted; mdrun gets SIGTERM and writes a checkpoint. PBS.
exec qdel "$@"
