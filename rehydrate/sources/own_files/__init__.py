"""Images that stand on no post: tars, folders and single files."""
