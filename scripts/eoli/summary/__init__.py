"""What a sweep says as a whole, from what the analyses left of each system."""
