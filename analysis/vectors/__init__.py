"""Embeddings as matrices: rows of norm 1, equal samples of sets, codebooks by k-means, and spectra."""
