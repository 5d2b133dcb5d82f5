"""Which model a name means, and where its weights come from.

`clip_names.py` resolves names, `model_config.py` refuses configurations that run code, `pinned_weights.py` downloads
weights at one commit. Nothing here loads a model.
"""

from twigma.builder.models.clip_names import (
    MODEL,
    PRETRAINED,
    Model,
    check_model,
    fetch_model,
    find_model,
    load_tokenizer,
)

__all__ = [
    "MODEL",
    "PRETRAINED",
    "Model",
    "check_model",
    "fetch_model",
    "find_model",
    "load_tokenizer",
]
