"""Exact nearest neighbours by cosine, screened by short products; here or on Ray."""
