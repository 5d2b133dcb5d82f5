"""Intervals, sample weights, survival, proportions."""
