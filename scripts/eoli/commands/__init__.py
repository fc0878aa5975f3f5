"""Commands of `eoli`: options and calls; each command imports its own heavy modules."""
