"""How sets of images differ: divergences, kernel distances, precision and recall, a joint map."""
