"""The explorer of a release as a static Space of the Hugging Face Hub."""
