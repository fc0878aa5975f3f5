"""Displacements at equal lags: what two systems can be compared in long before either of them diffuses."""
