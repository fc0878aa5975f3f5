"""Mean-square displacements and diffusion coefficients."""
