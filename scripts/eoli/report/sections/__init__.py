"""The parts of the page: what each says of a sweep."""
