"""Start boxes: one random conformation per chain, packed by PACKMOL."""
