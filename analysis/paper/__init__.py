"""What the paper states, and verdicts on its claims."""
