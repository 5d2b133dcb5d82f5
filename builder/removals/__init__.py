"""Posts and images taken out, for good, of a folder and of everything made from it."""
