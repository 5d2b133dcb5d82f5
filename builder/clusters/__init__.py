"""k-means clusters, the number of them, new images in old clusters, and the UMAP map."""
