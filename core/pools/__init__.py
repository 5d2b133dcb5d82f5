"""Work spread over a Ray cluster, and scratch folders on its nodes."""
