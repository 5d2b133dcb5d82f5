"""Figures that the paper does not have: other measures, and how far its figures depend on choices."""
