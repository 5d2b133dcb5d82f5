"""A BLIP of random weights, for the speed of captions; alone it does nothing."""

from pathlib import Path
from typing import Any

LARGE = {
    "vision": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    }
    | {"image_size": 384, "patch_size": 16},
    "text": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    },
}
TINY = {
    "vision": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    | {"image_size": 32, "patch_size": 8},
    "text": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
}


def write_blip(folder: Path, shape: dict[str, dict[str, int]]) -> str:
    """A BLIP of random weights, and a vocabulary that stands for any."""
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "[DEC]",
        "[ENC]",
        *(f"word{n}" for n in range(1000)),
    ]
    special = {
        "bos_token_id": 5,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
        "vocab_size": len(words),
    }
    vision = shape["vision"]
    text = shape["text"] | special | {"encoder_hidden_size": vision["hidden_size"]}
    network = BlipForConditionalGeneration(
        BlipConfig(text_config=text, vision_config=vision)
    )
    network.generation_config.suppress_tokens = [3]
    network.save_pretrained(folder)
    side = vision["image_size"]
    tokenizer = BertTokenizer({word: number for number, word in enumerate(words)})
    processor: Any = BlipProcessor  # its constructor has no types
    images = BlipImageProcessor(size={"height": side, "width": side})
    processor(images, tokenizer).save_pretrained(folder)
    return str(folder)


if __name__ == "__main__":
    pass
