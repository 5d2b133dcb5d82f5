"""The X API v2: the client, the look-up of posts by id, and what it costs."""
