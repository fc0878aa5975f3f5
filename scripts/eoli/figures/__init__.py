"""Figures as SVG, whose text is text, and PNG: readable in print and without colour vision, the same for the same data."""
