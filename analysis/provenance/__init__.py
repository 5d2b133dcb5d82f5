"""What results were computed from: the hash of every file, and the data in numbers."""
