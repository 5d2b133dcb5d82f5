"""Exact nearest neighbours by cosine, on a processor, a GPU or a Ray cluster."""
