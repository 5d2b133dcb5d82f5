"""What the configuration of a CLIP model may ask for; checked before anything is loaded by it.

open_clip passes parts of a model's own configuration on as if the caller had written them: options of its tokenizer,
with which it runs code, and names of further models, which it downloads from wherever they point. A folder that needs
anything from elsewhere is refused. Used by every loader of CLIP models.
"""

import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CONFIG = "open_clip_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
TOKENIZER_OPTIONS = {"clean": str, "strip_sep_token": bool, "language": str}
# Of an architecture, an activation, …; no repository, path or address.
NAME = re.compile(r"[\w.+-]*")
FURTHER = ("hf_model_name", "timm_model_name")  # models that a tower is made from
TOWERS = ("vision_cfg", "text_cfg")


def read_config(folder: Path) -> dict[str, Any]:
    """The checked configuration of a model's folder; ValueError where it would load anything else."""
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"no {CONFIG} in {folder}: a model's folder holds it beside its .safetensors weights"
        )
    config = _read(path)
    model: Any = config.get("model_cfg")
    if not _has_towers(model):
        raise ValueError(
            f"{path}: expected model_cfg with vision_cfg and text_cfg, found {_short(model)}"
        )
    _check_tokenizer_options(path, model["text_cfg"])
    for key, value in _strings(model):
        _check_name(path, key, value)
    if has_tokenizer(config):
        _check_tokenizer(folder)
    return config


def embedding_width(model: str) -> int | None:
    """How many numbers an embedding of this model has, a folder or ARCHITECTURE/TAG of open_clip; None if not known.

    ValueError as `read_config`. Nothing is imported or downloaded: open_clip has its architectures as JSON files.
    """
    if Path(model).is_dir():
        return _width(read_config(Path(model))["model_cfg"])
    architecture = model.partition("/")[0]
    package = find_spec("open_clip")
    if package is None or package.origin is None or not NAME.fullmatch(architecture):
        return None
    path = Path(package.origin).parent / "model_configs" / f"{architecture}.json"
    return _width(_read(path)) if path.is_file() else None


def _width(config: dict[str, Any]) -> int | None:
    width = config.get("embed_dim")
    return width if isinstance(width, int) else None


def _has_towers(model: Any) -> bool:
    if not isinstance(model, dict):
        return False
    return all(isinstance(model.get(tower), dict) for tower in TOWERS)


def has_tokenizer(config: dict[str, Any]) -> bool:
    """Whether the model's folder holds a tokenizer of its own; otherwise that of open_clip is used."""
    return bool(config["model_cfg"]["text_cfg"].get("hf_tokenizer_name"))


def _check_tokenizer_options(path: Path, text: dict[str, Any]) -> None:
    """Further options would go to transformers: to run code, or to read a file anywhere."""
    options = text.get("tokenizer_kwargs") or {}
    wanted = ", ".join(TOKENIZER_OPTIONS)
    if not isinstance(options, dict):
        raise ValueError(
            f"{path}: expected text_cfg.tokenizer_kwargs with {wanted}, found {_short(options)}"
        )
    for name, value in options.items():
        if not isinstance(value, TOKENIZER_OPTIONS.get(name, ())):
            raise ValueError(
                f"{path}: text_cfg.tokenizer_kwargs may hold {wanted}, found {_short({name: value})}: a model has no "
                "say in how it is loaded; take that out of the file, or use another model"
            )


def _check_name(path: Path, key: str, value: str) -> None:
    if key == "hf_tokenizer_name":
        return  # means only that there is one: it is read from the model's folder whatever the name
    if key == "hf_model_name" and value:
        raise ValueError(
            f"{path}: hf_model_name {_short(value)} takes the text tower from another place: use a model with all "
            "its files in one folder or repository"
        )
    if not NAME.fullmatch(value):
        kind = "something else"
        if key in FURTHER:
            kind = "a repository, a path or an address"
        raise ValueError(
            f"{path}: expected a name as {key}, found {kind}: {_short(value)}; use a model with all its files in one "
            "folder or repository"
        )


def _check_tokenizer(folder: Path) -> None:
    """The tokenizer's own files may name code, or files elsewhere."""
    for name in (TOKENIZER_CONFIG, "config.json"):
        path = folder / name
        if not path.is_file():
            continue
        config = _read(path)
        code = config.get("auto_map") or {}
        # In config.json it may name code of the model alone, which nothing here loads.
        if code and (name == TOKENIZER_CONFIG or "AutoTokenizer" in str(code)):
            raise ValueError(
                f"{path}: auto_map {_short(code)} names code to be run as the tokenizer: use a model whose tokenizer "
                "is one of transformers"
            )
        for key, value in _strings(config):
            is_file = key.endswith(("_file", "_files"))
            if is_file and ("/" in value or ".." in value):
                raise ValueError(
                    f"{path}: expected a file of the model's folder as {key}, found {_short(value)}: set it to null if "
                    "the folder holds the tokenizer"
                )


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a configuration, after the name of its entry."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)
    elif isinstance(value, str):
        yield key, value


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: expected JSON ({error}): get the model's files again"
        ) from None
    if not isinstance(config, dict):
        raise ValueError(
            f"{path}: expected a JSON object, found {_short(config)}: get the model's files again"
        )
    return config


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
