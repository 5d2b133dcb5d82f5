"""Maps of images: UMAP of embeddings on the plane, the same for any number of threads, and new images placed on one.

`layout.py` is UMAP, made of `weights.py` (how strongly near images attract) and `descent.py` (where that moves them);
`image_map.py` is the map of a set of images, which is saved and added to.
`layout` and `image_map` are the functions of modules of these names, and therefore not re-exported.
"""

FEWEST = 4  # images of a map
