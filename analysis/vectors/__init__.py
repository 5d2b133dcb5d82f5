"""Unit rows, codebooks, spectra."""
