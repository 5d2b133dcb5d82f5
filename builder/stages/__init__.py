"""The stages that add columns to images: embed, texts, caption, nsfw, dedupe.

A module is a stage; the function of its command is in it. `clip_encoder.py` is the model of `embed.py` and
`embed_texts.py`; `identical_rows.py` and `near_duplicates.py` are the searches of `dedupe.py`. Nothing is re-exported:
functions have the names of their modules.
"""
