"""A small world with planted truth, a loopback platform that serves it, and tiny models trained on it."""
