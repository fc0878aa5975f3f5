"""Structures, pictures and scenes of a run."""
