"""Reference sets to compare with: photographs, paintings, prompts, given embeddings."""
