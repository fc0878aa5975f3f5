"""One stage of one system: locked, fingerprinted, run or continued, judged, published."""
