"""A release sent to the Hugging Face Hub or to Zenodo."""
