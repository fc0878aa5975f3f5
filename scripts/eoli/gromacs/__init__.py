"""GROMACS: its build and tools, mdp files, mdrun, energies, states, throughput."""
