"""Draws the pictures of the demo world, each with its true caption."""
