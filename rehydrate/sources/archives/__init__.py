"""Archives of X posts that somebody else captured: twarc, Zeeschuimer, 4CAT, in JSON lines."""
