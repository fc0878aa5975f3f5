"""What to simulate: configuration, protocol, systems, and what to analyse."""
