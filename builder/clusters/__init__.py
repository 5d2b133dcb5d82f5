"""k-means clusters, the number of them, and new images in old clusters.

`cluster.py`, `choose_k.py` and `assign.py` are the functions of the commands of these names, and therefore not
re-exported; `kmeans.py` and `stability.py` are the estimators, on arrays; `fit.py` stores a fit.
"""
