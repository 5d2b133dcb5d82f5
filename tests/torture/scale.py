"""Scale: many ids on loopback (row 1)."""
