"""What a working folder holds, what is missing, and what to run next."""
