"""What the images show: clusters over time, captions, words, NSFW scores, similar pairs."""
