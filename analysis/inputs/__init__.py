"""What the analyses read: a release and its private columns, reference sets, embedded texts, annotation sheets."""
