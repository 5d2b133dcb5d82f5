"""What the liked set is for: LoRA training on it with the real diffusers and peft, on a tiny Stable Diffusion."""

import numpy as np
import pytest
import torch

from twigma.builder.finetuning.liked import liked

SIDE, WORDS = 32, 200


def tokens(text: str) -> torch.Tensor:
    """int64[77]: a stand-in for a tokenizer, one number a word."""
    found = [3 + hash_of(word) % (WORDS - 3) for word in text.split()][:75]
    return torch.tensor([0, *found, *[2] * (76 - len(found))])


def hash_of(word: str) -> int:
    return int.from_bytes(word.encode()[-4:], "big")


@pytest.fixture
def stable_diffusion():
    """UNet, VAE, text encoder and noise scheduler of random weights."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = (
            ("DownBlock2D", "CrossAttnDownBlock2D"),
            ("CrossAttnUpBlock2D", "UpBlock2D"),
        )
        unet = UNet2DConditionModel(
            sample_size=SIDE, block_out_channels=(16, 32), layers_per_block=1, down_block_types=blocks[0],
            up_block_types=blocks[1], cross_attention_dim=32, attention_head_dim=8, norm_num_groups=8,
        )  # fmt: skip
        vae = AutoencoderKL(
            block_out_channels=(16,),
            latent_channels=4,
            norm_num_groups=8,
            sample_size=SIDE,
        )
        shape = {
            "hidden_size": 32,
            "intermediate_size": 37,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
        }
        special = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
        text = CLIPTextModel(CLIPTextConfig(vocab_size=WORDS, **shape, **special))
    return unet, vae, text, DDPMScheduler()


def test_lora_trains_on_the_set_as_diffusers_own_script_does(
    work, tmp_path, monkeypatch, stable_diffusion
):
    """imagefolder with the default columns `image` and `text`, latents, noise, mean squared error, AdamW: two steps."""
    import datasets
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    liked(
        work,
        tmp_path / "liked",
        quantile=0.0,
        nsfw_threshold=1.0,
        acknowledge_x_terms=True,
    )
    files = {"train": str(tmp_path / "liked" / "train" / "**")}
    data = datasets.load_dataset(
        "imagefolder",
        data_files=files,
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert {"image", "text"} <= set(data.column_names)

    unet, vae, text, scheduler = stable_diffusion
    unet.requires_grad_(False)
    unet.add_adapter(
        LoraConfig(
            r=2,
            init_lora_weights="gaussian",
            target_modules=["to_q", "to_k", "to_v", "to_out.0"],
        )
    )
    trained = [weight for weight in unet.parameters() if weight.requires_grad]
    before = [weight.detach().clone() for weight in trained]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    for step in range(2):
        rows = data[4 * step : 4 * step + 4]
        pixels = [
            np.asarray(image.convert("RGB").resize((SIDE, SIDE)), np.float32)
            for image in rows["image"]
        ]
        images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 127.5 - 1
        with torch.no_grad():
            latents = (
                vae.encode(images).latent_dist.sample(generator)
                * vae.config.scaling_factor
            )
            states = text(torch.stack([tokens(caption) for caption in rows["text"]]))[0]
        noise = torch.randn(latents.shape, generator=generator)
        times = torch.randint(
            0, scheduler.config.num_train_timesteps, (4,), generator=generator
        )
        predicted = unet(
            scheduler.add_noise(latents, noise, times), times, states
        ).sample
        loss = torch.nn.functional.mse_loss(predicted, noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert torch.isfinite(loss)
    assert any(
        not torch.equal(now, then) for now, then in zip(trained, before, strict=True)
    )
    assert get_peft_model_state_dict(unet)
