"""Build a dataset: collect posts, add columns to the images table, release it."""
