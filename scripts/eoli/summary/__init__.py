"""Results of a whole sweep, from the analyses of its systems."""
