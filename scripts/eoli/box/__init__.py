"""Start boxes: one random conformation a chain, packed by PACKMOL."""
