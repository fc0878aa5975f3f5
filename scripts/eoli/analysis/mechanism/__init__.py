"""How lithium moves: residence, hopping, segments."""
