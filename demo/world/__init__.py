"""A small world with known truths."""
