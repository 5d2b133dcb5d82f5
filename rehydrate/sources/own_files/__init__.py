"""Images that are on no post: tars, folders and single files."""
