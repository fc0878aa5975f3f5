"""One decode of a trajectory into the small arrays that every analysis reads."""

FORMAT = 3
"""Of the reduced trajectory; one of another format is made again."""
