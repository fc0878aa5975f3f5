"""One decode of a trajectory into the small arrays that every analysis reads."""
