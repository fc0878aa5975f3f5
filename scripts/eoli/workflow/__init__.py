"""For Snakemake: the plan of a study, its products, and the state of its runs."""
