"""Specific volume during cooling, and the glass transition."""
