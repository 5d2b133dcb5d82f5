"""Which rows of embeddings repeat others: to the byte, or nearly. The searches of `twigma dedupe`.

`identical_rows.py` compares bytes. `near_duplicates.py` chooses which of near rows stay; the pairs that can be near
come from `near_candidates.py`, which parts all rows into buckets (`near_sets.py`) and compares those
(`near_pairs.py`), here or on a Ray cluster.
"""
