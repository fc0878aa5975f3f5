"""What others measured and claimed, laid beside a sweep."""
