"""The stages that add columns to images: embed, texts, caption, nsfw, dedupe.

A module is a stage; the function of its command is in it. `clip_encoder.py` is the model of `embed.py` and
`embed_texts.py`; the searches of `dedupe.py` are a room of their own, `builder/duplicates`. Nothing is re-exported:
functions have the names of their modules.
"""
