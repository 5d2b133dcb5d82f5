"""Commands that read a release: the paper's figures, the report, the explorer, search."""
