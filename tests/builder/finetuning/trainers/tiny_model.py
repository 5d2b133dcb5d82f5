"""A Stable Diffusion 1.5 of random weights, small enough for a test, in a folder as diffusers reads it."""

import json
import string
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

torch.manual_seed(0)
words = ["<|startoftext|>", "<|endoftext|>"]
for letter in string.ascii_lowercase + string.digits:
    words += [letter, f"{letter}</w>"]

with tempfile.TemporaryDirectory() as folder:
    vocabulary, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
    vocabulary.write_text(json.dumps({word: row for row, word in enumerate(words)}))
    merges.write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(vocabulary), str(merges), unk_token=words[1], model_max_length=77
    )
text_encoder = CLIPTextModel(
    CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=4,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
)
unet = UNet2DConditionModel(
    sample_size=16,
    block_out_channels=(16, 32),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    cross_attention_dim=32,
    attention_head_dim=8,
    norm_num_groups=8,
)
vae = AutoencoderKL(
    block_out_channels=(16,), latent_channels=4, norm_num_groups=8, sample_size=32
)
pipeline = StableDiffusionPipeline(
    vae=vae,
    text_encoder=text_encoder,
    tokenizer=tokenizer,
    unet=unet,
    scheduler=DDPMScheduler(),
    safety_checker=None,
    feature_extractor=None,
    requires_safety_checker=False,
)
pipeline.save_pretrained(sys.argv[1])
