"""Commands of `eoli`: options and calls; heavy modules are imported by the command that needs them."""
