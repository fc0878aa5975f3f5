"""What Snakemake asks: the plan of a study, its products, and where its runs stand."""
