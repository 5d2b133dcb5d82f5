"""The table of ids that the authors of the paper published: fetched from Zenodo, and its columns as ours."""
