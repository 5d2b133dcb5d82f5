"""The loopback platform that serves a world as X does."""
