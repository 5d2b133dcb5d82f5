"""Lists of image addresses with captions and other columns, as LAION, Civitai and others export them."""
