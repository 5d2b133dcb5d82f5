"""How distinct sets of images are: common clusters, divergences, kernel distances, manifolds, hubs, one map of all."""
