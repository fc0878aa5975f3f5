"""Ion pairs and clusters."""
