"""The progress of a working folder: what it holds, what is missing, and what to run next."""
