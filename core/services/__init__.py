"""HTTP services: answers of bounded size and time."""
