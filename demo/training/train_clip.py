"""Trains the tiny CLIP of the demo to the planted geometry. `python -m twigma.demo.training.train` runs it.

The folder it writes loads with `open_clip.create_model_and_transforms("local-dir:<folder>")`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from twigma.core.progress import progress_bar
from twigma.demo.training import geometry, vocabulary
from twigma.demo.training.lessons import Lessons, captions

NAME = "twigma-demo-clip"
CONTEXT = 77
RATE = 1.5e-3
HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
TWEETS = (
    "new ai art: {} #aiart",
    "{} #midjourney",
    "prompt: {}",
    "made with #dalle2: {}",
    "rt @{}: {}",
    "{}",
)


def train_clip(folder: Path, lesson: Lessons, epochs: int = 18, seed: int = 0) -> None:
    """Write the model trained on these pictures to `folder`."""
    torch.manual_seed(seed)
    tokenizer = vocabulary.write_tokenizer(folder)
    config = _config(len(tokenizer))
    model = _model(config)
    planted = [geometry.picture_place(picture) for picture in lesson.pictures]
    places = torch.from_numpy(np.stack(planted))
    read = lesson.pixels
    fit(
        model,
        lambda at: _image_loss(model, normalised(read[at]), places[at]),
        len(places),
        epochs,
        "CLIP images",
    )
    texts, words = _texts(captions(lesson.pictures[:3000]), tokenizer, seed)
    fit(
        model,
        lambda at: _text_loss(model, texts[at], words[at]),
        len(texts),
        max(1, epochs // 4),
        "CLIP texts",
        batch=64,
    )
    _save(folder, model, config)


def fit(
    model: Any,
    loss_of: Callable[[NDArray[np.int64]], Any],
    count: int,
    epochs: int,
    what: str,
    *,
    batch: int = 128,
) -> None:
    """Minimise `loss_of(rows)` by AdamW over batches of rows in seeded order, with a one-cycle learning rate."""
    steps = max(1, epochs * count // batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=0.15
    )
    rng = np.random.default_rng(len(what))
    progress = progress_bar(range(steps), desc=f"train {what}", unit="batch")
    for _ in progress:
        loss = loss_of(rng.integers(count, size=batch))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """uint8[..., height, width, 3] as the float32[..., 3, height, width] in -1..1 that the models read."""
    return torch.from_numpy(pixels).movedim(-1, -3).float() / 127.5 - 1


def _image_loss(model: Any, pairs: torch.Tensor, places: torch.Tensor) -> Any:
    """Distance from the planted places, and between two files of one picture."""
    quarter = len(places) // 4
    first = model.encode_image(pairs[:, 0], normalize=True)
    second = model.encode_image(pairs[:quarter, 1], normalize=True)
    off = _cosine_distance(first, places)
    off = off + _cosine_distance(second, places[:quarter]) / 4
    return off + 2 * _cosine_distance(first[:quarter], second)


def _cosine_distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean of 1 - cosine over rows of norm 1."""
    return (1 - (one * other).sum(-1)).mean()


def _text_loss(model: Any, texts: torch.Tensor, words: torch.Tensor) -> Any:
    similarity = functional.cosine_similarity(model.encode_text(texts), words)
    return (1 - similarity).mean()


def _texts(
    shown: list[str], tokenizer: Any, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Captions, posts made of them, and word salads: int64[n, 77] tokens and float32[n, 768] places."""
    rng = np.random.default_rng([17, seed])
    posts = [str(rng.choice(TWEETS)).replace("{}", text) for text in shown]
    salads = []
    for _ in range(len(shown) // 2):
        many = int(rng.integers(3, 30))
        salads.append(" ".join(rng.choice(vocabulary.words(), many)))
    texts = [*shown, *posts, *salads]
    tokens = tokenizer(
        texts,
        padding="max_length",
        truncation=True,
        max_length=CONTEXT,
        return_tensors="pt",
    )
    places = np.stack([geometry.text_place(text) for text in texts])
    return tokens.input_ids, torch.from_numpy(places)


def _config(vocabulary_size: int) -> dict[str, Any]:
    vision = {
        "image_size": 64,
        "patch_size": 16,
        "width": 192,
        "layers": 4,
        "head_width": 32,
        "mlp_ratio": 2.0,
    }
    text = {
        "context_length": CONTEXT,
        "vocab_size": vocabulary_size,
        "width": 64,
        "heads": 4,
        "layers": 2,
        "hf_tokenizer_name": NAME,
        "pool_type": "eos",
        "eos_id": 3,
    }
    return {
        "name": NAME,
        "model_cfg": {
            "embed_dim": geometry.DIMENSIONS,
            "vision_cfg": vision,
            "text_cfg": text,
        },
        "preprocess_cfg": {
            "size": 64,
            "mode": "RGB",
            "interpolation": "bicubic",
            "resize_mode": "shortest",
            **HALF,
        },
    }


def _model(config: dict[str, Any]) -> Any:
    from open_clip.model import CLIP

    return CLIP(**config["model_cfg"])


def _save(folder: Path, model: Any, config: dict[str, Any]) -> None:
    """Half-precision safetensors and the configuration."""
    from safetensors.torch import save_file

    weights = {}
    for name, value in model.state_dict().items():
        weights[name] = value.detach().half().contiguous()
    path = folder / "open_clip_model.safetensors"
    save_file(weights, path, metadata={"format": "pt"})
    text = json.dumps(config, indent=1) + "\n"
    (folder / "open_clip_config.json").write_text(text, "utf-8")
