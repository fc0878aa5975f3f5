"""Measurements and claims of others, compared with a sweep."""
