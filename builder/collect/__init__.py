"""Which hashtags to search for, and the search."""
