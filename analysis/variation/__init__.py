"""How much the images of a set vary: distances, entropies, prompts, texts."""
