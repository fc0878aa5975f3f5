"""From building blocks to a GROMACS topology: installed force field, molecules, pair tables, files."""
