"""Specific volume of a cooling and its glass transition."""
