"""What an analysis reads: a release, its private columns, reference sets, annotation sheets."""
