"""Physics from trajectories and energies: density, structure, motion; each number with an error, or not at all."""
