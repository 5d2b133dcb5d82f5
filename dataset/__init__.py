"""The dataset as people load it: the `datasets` builder, the name `twigma`, release folders, the published table."""
