"""Trains the tiny models that the demo ships, on pictures the world never shows."""
