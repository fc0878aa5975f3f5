"""The diffusion of lithium from the mechanism of its motion: Rouse chains, and renewal by transfers."""
