"""Which model a name means, and where its weights come from."""
