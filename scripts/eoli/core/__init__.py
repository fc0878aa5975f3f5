"""What every other package may use: it knows nothing of polymers, studies or GROMACS."""
