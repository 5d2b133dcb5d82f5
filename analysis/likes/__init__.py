"""What goes with likes: Eq (1), count regressions, distinctiveness in quintiles."""
