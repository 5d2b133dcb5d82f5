"""Shards, pictures and tiny real models for the tests of the stages that add columns."""

import hashlib
import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from twigma.builder.engine.engine import Stage
from twigma.builder.engine.pixels import decode
from twigma.builder.engine.vectors import Vectors, as_column
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part
from twigma.core.stage import stage
from twigma.rehydrate.images import shards

DIM = 32


def pixels(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth random picture, uint8[height, width, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    )


def encode(
    image: Image.Image | np.ndarray, kind: str = "JPEG", **options: Any
) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


def make_shard(work: Path, name: str, images: dict[str, bytes]) -> shards.Shard:
    """A finished shard of these images, published by the project's own function."""
    shard = shards.shard_at(work, name)
    attempt = work / f"attempt-{name}"
    attempt.mkdir(parents=True)
    rows = []
    with tarfile.open(attempt / shard.tar.name, "w") as tar:
        for key, data in images.items():
            member = tarfile.TarInfo(f"{key}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
            rows.append(
                {
                    "key": key,
                    "image_name": key,
                    "status": "success",
                    "member": member.name,
                }
            )
            rows[-1] |= {"sha256": hashlib.sha256(data).hexdigest()}
    rows.append(
        {
            "key": f"9{name}",
            "image_name": f"9{name}",
            "status": "not_found",
            "error": "404",
        }
    )
    pq.write_table(
        pa.Table.from_pylist(rows, schema=shards.SIDECAR), attempt / shard.sidecar.name
    )
    shard.manifest.parent.mkdir(exist_ok=True)
    shards.publish(attempt, shard, {})
    return shard


def make_images(work: Path, rows: list[tuple[str, str, int]]) -> pa.Table:
    """images.parquet with rows (post id, image_name, second of 2022), sorted."""
    times = np.datetime64("2022-01-01", "ms") + np.array(
        [second for _, _, second in rows], "timedelta64[s]"
    )
    table = pa.table(
        {
            "id": [i for i, _, _ in rows],
            "image_name": [n for _, n, _ in rows],
            "created_at": times,
        }
    )
    table = table.sort_by(
        [(name, "ascending") for name in ("created_at", "id", "image_name")]
    )
    write_parquet(work / "images.parquet", table)
    return table


def tiny_clip(folder: Path, seed: int = 0, name: str | None = "tiny-clip") -> Path:
    """A real open_clip model of random weights in a local folder; its embeddings have 32 numbers."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    vision = {
        "image_size": 32,
        "layers": 2,
        "width": 64,
        "patch_size": 8,
        "head_width": 32,
    }
    text = {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 1,
    }
    config = {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": text}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = open_clip.CLIP(**config).state_dict()
    folder.mkdir(parents=True)
    save_file(weights, folder / "open_clip_model.safetensors")
    described = {
        "model_cfg": config,
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3},
    }
    (folder / "open_clip_config.json").write_text(
        json.dumps(described | ({"name": name} if name else {}))
    )
    return folder


def tiny_blip(folder: Path) -> Path:
    """A real BLIP of random weights in a local folder, with a vocabulary of a few words."""
    import torch
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    folder.mkdir(parents=True)
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] [ENC] a the of painting woman cat sea".split()  # noqa: SIM905
    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    tokens = {
        "bos_token_id": 5,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
    }
    text = (
        shape
        | tokens
        | {
            "encoder_hidden_size": 32,
            "max_position_embeddings": 64,
            "vocab_size": len(words),
        }
    )
    vision = shape | {"image_size": 32, "patch_size": 8}
    config = BlipConfig(
        text_config=text | {"initializer_range": 0.7},
        vision_config=vision,
        projection_dim=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = BlipForConditionalGeneration(config)
    network.generation_config.suppress_tokens = [0, 1, 2, 4, 5, 6]
    network.save_pretrained(folder)
    tokenizer = BertTokenizer({word: i for i, word in enumerate(words)})
    processor = BlipProcessor(
        BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer
    )
    processor.save_pretrained(folder)
    return folder


WORDS = "<pad> <unk> <s> </s> <image> a the of painting woman cat sea Describe image in one".split()  # noqa: SIM905


def _words() -> Any:
    """A tokenizer of a few words, with the usual special tokens and one that stands for an image."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(
        WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = WhitespaceSplit()
    special = {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        extra_special_tokens={"image_token": "<image>"},
        **special,
    )


def tiny_blip2(folder: Path) -> Path:
    """A real BLIP-2 of random weights, saved in several files."""
    import torch
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessor,
        OPTConfig,
    )

    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = OPTConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    text.update(
        {
            "word_embed_proj_dim": 32,
            "init_std": 0.7,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 3,
        }
    )
    config = Blip2Config(
        vision_config=shape | {"image_size": 32, "patch_size": 8},
        qformer_config=shape
        | {"encoder_hidden_size": 32, "vocab_size": 20, "max_position_embeddings": 16},
        text_config=text.to_dict(),
        num_query_tokens=4,
        image_token_index=4,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Blip2ForConditionalGeneration(config).save_pretrained(
            folder, max_shard_size="40KB"
        )
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    Blip2Processor(images, _words(), num_query_tokens=4).save_pretrained(folder)
    return folder


def tiny_llava(folder: Path) -> Path:
    """A real LLaVA of random weights, a model for chat with its template."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    special = {
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "initializer_range": 0.7,
    }
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            **shape, image_size=32, patch_size=8, projection_dim=32
        ),
        text_config=LlamaConfig(
            **shape, **special, vocab_size=len(WORDS), max_position_embeddings=128
        ),
        image_token_index=4,
        vision_feature_layer=-1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlavaForConditionalGeneration(config).save_pretrained(folder)
    images = CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    each = "{{ '<image> ' if part.type == 'image' else part.text }}"
    template = (
        "{% for said in messages %}{% for part in said.content %}"
        + each
        + "{% endfor %}{% endfor %}"
    )
    LlavaProcessor(
        images,
        _words(),
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder


def write_embeddings(
    work: Path,
    rows: np.ndarray,
    names: list[str],
    *,
    parts: int = 2,
    model: str = "tiny",
) -> None:
    """`columns/embed` with these rows in a few parts; a row of NaN stands for an image that was not decoded."""
    for number, chosen in enumerate(np.array_split(np.arange(len(rows)), parts)):
        missing = np.isnan(rows[chosen]).any(axis=1)
        column = as_column(rows[chosen].astype(np.float16), missing)
        table = pa.table(
            {"image_name": [names[i] for i in chosen], "embedding": column}
        )
        write_part(
            work / "columns" / "embed" / f"{number:05d}.arrow",
            table,
            {"model": model, "n": number},
        )


def units(rng: np.random.Generator, n: int, dim: int = DIM) -> np.ndarray:
    """Random unit rows, float16[n, dim]."""
    rows = rng.standard_normal((n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def planted(
    rng: np.random.Generator,
    n: int = 900,
    groups: int = 5,
    dim: int = DIM,
    spread: float = 0.06,
) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around well separated centres of falling share, and their groups."""
    centres = units(rng, groups, dim).astype(np.float32)
    group = rng.choice(
        groups, n, p=np.arange(groups, 0, -1) / (groups * (groups + 1) / 2)
    )
    rows = centres[group] + rng.normal(0, spread, (n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(
        np.float16
    ), group


def vectors_of(rows: np.ndarray, parts: int = 3) -> Vectors:
    """These rows as the embeddings of images "0", "1", ..."""
    chunks = [as_column(part) for part in np.array_split(rows, parts)]
    return Vectors(chunks, pa.array([str(i) for i in range(len(rows))]))


@stage(reads=("image_name", "image"), adds=("width",))
def measure(table: pa.Table) -> pa.Table:
    """A real stage without a model: the width of each image, null where it cannot be decoded."""
    return columns.add(
        table, width=decode(table["image"], lambda pixels: pixels.shape[1])
    )


def start_measuring(device: str | None = None) -> Stage:
    """Starts that stage, in any process."""
    return measure


def start_slowly(device: str | None = None) -> Stage:
    """Starts that stage, with a pause for every block."""

    def slow(table: pa.Table) -> pa.Table:
        time.sleep(0.3)
        return measure(table)

    return slow


def start_nowhere(device: str | None = None) -> Stage:
    """What happens where a node lacks the model."""
    raise FileNotFoundError("no open_clip_config.json in /models/clip")
