"""The machine: processors, slots that runs share, measured speed, SLURM."""
