"""Trains the tiny BLIP of the demo to caption its pictures. `python -m twigma.demo.training.train` runs it.

The folder it writes loads with `transformers.BlipForConditionalGeneration` and `AutoProcessor`.
"""

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from twigma.demo.drawing.pictures import THEMES
from twigma.demo.training import vocabulary
from twigma.demo.training.lessons import PIXELS, Lessons, captions
from twigma.demo.training.train_clip import fit, normalised

PAD, SEP, DEC = (vocabulary.SPECIAL.index(name) for name in ("[PAD]", "[SEP]", "[DEC]"))
WIDTH = 128
LONGEST = 24  # tokens of a caption
HALF = [0.5, 0.5, 0.5]


def train_blip(folder: Path, lesson: Lessons, epochs: int = 22, seed: int = 0) -> None:
    """Write the model trained on these pictures to `folder`."""
    from transformers import BlipForConditionalGeneration

    torch.manual_seed(seed)
    tokenizer = vocabulary.write_tokenizer(folder)
    model: Any = BlipForConditionalGeneration(_config(len(tokenizer)))
    model.subjects = torch.nn.Linear(WIDTH, len(THEMES) + 1)
    texts, shown = _tokens(captions(lesson.pictures), tokenizer), _subjects(lesson)

    def loss(at: Any) -> Any:
        return _loss(model, normalised(lesson.pixels[at, at % 2]), texts[at], shown[at])

    fit(model, loss, len(texts), epochs, "BLIP")
    del model.subjects
    model.half().save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)


def _loss(
    model: Any, pixels: torch.Tensor, tokens: torch.Tensor, subjects: torch.Tensor
) -> Any:
    """Cross-entropy of the caption's next token; a helper that names the subject speeds the eyes up."""
    seen = model.vision_model(pixels).last_hidden_state
    longest = int((tokens != PAD).sum(1).max())
    words = tokens[:, :longest]
    answer = model.text_decoder(
        input_ids=words[:, :-1],
        attention_mask=(words[:, :-1] != PAD).long(),
        encoder_hidden_states=seen,
        use_cache=False,
    )
    logits, wanted = answer.logits.flatten(0, 1), words[:, 1:].flatten()
    text = functional.cross_entropy(logits, wanted, ignore_index=PAD)
    named = functional.cross_entropy(model.subjects(seen.mean(1)), subjects)
    return text + 0.3 * named


def _tokens(texts: list[str], tokenizer: Any) -> torch.Tensor:
    """Captions as [DEC] words [SEP], padded: int64[n, LONGEST]."""
    ids = tokenizer(
        texts, add_special_tokens=False, max_length=LONGEST - 2, truncation=True
    ).input_ids
    rows = []
    for row in ids:
        padding = [PAD] * (LONGEST - 2 - len(row))
        rows.append([DEC, *row, SEP, *padding])
    return torch.tensor(rows)


def _subjects(lesson: Lessons) -> torch.Tensor:
    """Theme of each picture by number, the last for everyday photographs: int64[n]."""
    number = {theme: row for row, theme in enumerate(THEMES)}
    everyday = len(THEMES)
    shown = lesson.pictures
    return torch.tensor([number.get(picture.subject, everyday) for picture in shown])


def _config(words: int) -> Any:
    from transformers import BlipConfig

    shared = {"hidden_size": WIDTH, "num_attention_heads": 4, "intermediate_size": 320}
    vision = {"image_size": PIXELS, "patch_size": 16, "num_hidden_layers": 4, **shared}
    marks = {
        "bos_token_id": DEC,
        "eos_token_id": SEP,
        "sep_token_id": SEP,
        "pad_token_id": PAD,
    }
    text = {
        "vocab_size": words,
        "num_hidden_layers": 2,
        "encoder_hidden_size": WIDTH,
        "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        **shared,
        **marks,
    }
    return BlipConfig(vision_config=vision, text_config=text, projection_dim=64)


def _processor(tokenizer: Any) -> Any:
    from transformers import BlipImageProcessor, BlipProcessor

    bundle: Any = BlipProcessor

    size = {"height": PIXELS, "width": PIXELS}
    images = BlipImageProcessor(size=size, image_mean=HALF, image_std=HALF)
    return bundle(images, tokenizer)
