"""Pictures in whatever holds them: what a file is, what stands beside it, and the pictures one after the other."""
