"""Encoded images: safe decoding, what is stored of them, shards, and images by name."""
