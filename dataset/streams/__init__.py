"""Stored images with their metadata as a stream for training."""
