"""What was planted in the world, and whether the report recovers it."""
