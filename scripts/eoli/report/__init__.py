"""The page that shows a sweep: one HTML file that loads nothing."""
