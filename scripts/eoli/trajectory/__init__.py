"""Trajectories: read, unwrapped, and reduced once for all analyses."""
