"""The stages that add columns to images: embed, texts, caption, nsfw, dedupe."""
