"""Building blocks and force fields, as data with their sources."""
