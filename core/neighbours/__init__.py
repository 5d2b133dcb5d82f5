"""The rows of one reference that are most similar to each of a block of queries, exactly; all are unit rows.

`analysis.neighbours` searches matrices of any size with it, `builder.clusters` places images on the map.
"""
