"""The encoder: open_clip's own numbers, the same bytes at any place of a batch, and what is refused."""

import pickle

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from support.staging import DIM, pixels, tiny_clip

from twigma.builder.stages import clip_encoder as module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("models") / "folder-name")


@pytest.fixture(scope="module")
def encoder(folder):
    """In full precision, as the numbers it is compared with are."""
    return module.load_encoder(str(folder), device="cpu", precision="fp32")


def pictures(n):
    return [Image.fromarray(pixels(i, 40 + i % 5, 60 + i % 7)) for i in range(n)]


def test_equals_open_clip(folder, encoder):
    """The reference is the library's own loading, preprocessing and tokenizer, one image at a time."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["a painting", "the sea"])
    with torch.inference_mode():
        images = torch.cat(
            [
                model.encode_image(preprocess(one)[None], normalize=True)
                for one in pictures(11)
            ]
        )
        texts = model.encode_text(tokens, normalize=True)
    found = encoder.encode(pictures(11))
    assert found.dtype == np.float16 and found.shape == (11, DIM) == (11, encoder.dim)
    np.testing.assert_allclose(found, images.numpy(), atol=6e-4)
    np.testing.assert_allclose(
        encoder.encode_text(["a painting", "the sea"]), texts.numpy(), atol=6e-4
    )
    np.testing.assert_allclose(
        np.linalg.norm(found.astype(np.float64), axis=1), 1, atol=2e-3
    )
    assert encoder.name == "tiny-clip"
    assert encoder.encode([]).shape == encoder.encode_text([]).shape == (0, DIM)


def test_same_bytes_at_every_place(encoder):
    """One image among others: first, last, alone, in a padded batch, beside any neighbour."""
    images = pictures(20)
    alone = encoder.encode(images[:1])[0].tobytes()
    for place in range(20):
        others = images[1:]
        others.insert(place, images[0])
        for count in (place + 1, 20):
            assert encoder.encode(others[:count])[place].tobytes() == alone


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (20_000, 1), (3, 50_000)])
def test_very_long_images_stay_small(encoder, size):
    prepared = encoder.prepare(np.asarray(Image.new("RGB", size, (9, 90, 200))))
    reference = encoder.prepare(np.asarray(Image.new("RGB", (64, 64), (9, 90, 200))))
    assert torch.equal(prepared, reference)


def test_bf16_is_close(folder, encoder):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this CPU has no bf16 arithmetic")
    coarse = module.load_encoder(str(folder), device="cpu", precision="bf16").encode(
        pictures(5)
    )
    cosine = (coarse.astype(np.float64) * encoder.encode(pictures(5))).sum(axis=1)
    assert (cosine > 0.999).all()


@pytest.mark.skipif(not module.can_int8("cpu"), reason="no 8-bit products on this CPU")
def test_int8_is_close_and_gives_the_same_bytes_at_every_place(folder, encoder):
    coarse = module.load_encoder(str(folder), device="cpu", precision="int8")
    images = pictures(11)
    found = coarse.encode(images)
    cosine = (found.astype(np.float64) * encoder.encode(images)).sum(axis=1)
    assert (cosine > 0.995).all()
    assert coarse.encode(images[::-1])[::-1].tobytes() == found.tobytes()
    assert coarse.encode(images[4:5]).tobytes() == found[4:5].tobytes()
    bf16 = module.load_encoder(
        str(folder), device="cpu", precision=module.best_precision("cpu")
    )
    assert (found != bf16.encode(images)).any()
    texts = ["a painting", "the sea"]
    assert coarse.encode_text(texts).tobytes() == bf16.encode_text(texts).tobytes()


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "fp16"), ("cpu", "int3"), ("tpu", None)]
)
def test_impossible_placement_is_refused(folder, device, precision):
    with pytest.raises(ValueError, match=r"(precision|device) .* expected"):
        module.load_encoder(str(folder), device=device, precision=precision)


def test_random_weights_are_seeded():
    torch.manual_seed(1)
    one = module.load_encoder("ViT-S-32-alt", None, device="cpu")
    state = torch.random.get_rng_state()
    two = module.load_encoder("ViT-S-32-alt", "none", device="cpu")
    assert torch.equal(state, torch.random.get_rng_state())
    assert one.name == "ViT-S-32-alt/none" and one.dim == 256
    assert one.encode_text(["a"]).tobytes() == two.encode_text(["a"]).tobytes()


class Canary:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickled_weights_are_never_read(tmp_path):
    folder = tiny_clip(tmp_path / "model")
    (folder / "open_clip_pytorch_model.bin").write_bytes(
        pickle.dumps(Canary(str(tmp_path / "canary")))
    )
    (folder / "open_clip_model.safetensors").rename(
        folder / "model.safetensors"
    )  # open_clip would prefer the .bin
    assert module.load_encoder(str(folder), device="cpu").dim == DIM
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="safetensors"):
        module.load_encoder(str(folder), device="cpu")
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
def test_the_papers_architecture():
    """ViT-L/14 with random weights: 768 numbers, equal bytes at two places of a batch."""
    encoder = module.load_encoder("ViT-L-14", None, device="cpu")
    rows = encoder.encode([*pictures(3), pictures(1)[0]])
    assert rows.shape == (4, 768) and rows[0].tobytes() == rows[3].tobytes()
