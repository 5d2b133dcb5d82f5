"""The fine-tuning set of liked images."""
