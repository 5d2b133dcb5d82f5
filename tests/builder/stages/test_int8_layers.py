"""Layers in 8-bit integers against their own formula, in float64."""

import numpy as np
import pytest
import torch

from twigma.builder.stages.clip_encoder import can_int8
from twigma.builder.stages.int8_layers import (
    Int8Attention,
    Int8Linear,
    quantize_blocks,
    round_rows,
)

pytestmark = pytest.mark.skipif(
    not can_int8("cpu"), reason="no 8-bit products on this CPU"
)


def rounded(rows):
    """Rows of whole numbers from -127 to 127, and the scale of each."""
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127
    return np.round(rows / scale), scale


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_layer_is_the_product_of_rounded_numbers(rng):
    x, weight, bias = rng.normal(size=(9, 40)), rng.normal(size=(24, 40)), np.arange(24)
    x[3] *= 1000  # one row does not coarsen the others
    layer = Int8Linear(torch.tensor(weight), torch.tensor(bias, dtype=torch.float32))
    found = layer(torch.tensor(x, dtype=torch.float32).reshape(3, 3, 40)).numpy()
    rows, steps = rounded(x.astype(np.float32))
    weights, scales = rounded(weight.astype(np.float32))
    expected = rows @ weights.T * steps * scales.T + bias
    np.testing.assert_allclose(found.reshape(9, 24), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_of_all_blocks_are_rounded(rng, dtype):
    rows = torch.tensor(rng.normal(size=(600, 33)), dtype=dtype)
    whole, steps = round_rows(rows)
    expected, scales = rounded(rows.float().numpy())
    np.testing.assert_allclose(steps.numpy(), scales, rtol=1e-6)
    away = whole.numpy().astype(int) - 128 - expected
    assert np.abs(away).max() <= 1 and (away != 0).mean() < 1e-3  # halves


def test_rows_of_zeros_give_the_bias(rng):
    bias = torch.arange(8, dtype=torch.float32)
    layer = Int8Linear(torch.tensor(rng.normal(size=(8, 16))), bias)
    assert torch.equal(layer(torch.zeros(2, 16)), bias.expand(2, 8))


@pytest.mark.parametrize("mask", [None, torch.randn(10, 10)])
def test_attention_is_torchs(mask):
    torch.manual_seed(0)
    exact = torch.nn.MultiheadAttention(64, 4, batch_first=True)
    x = torch.randn(2, 10, 64)
    with torch.inference_mode():
        found, _ = Int8Attention(exact)(x, x, x, attn_mask=mask)
        expected, _ = exact(x, x, x, need_weights=False, attn_mask=mask)
    away = (found - expected).norm() / expected.norm()
    assert 0 < away < 0.03


def test_a_tower_without_such_blocks_is_refused():
    tower = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3))
    with pytest.raises(ValueError, match=r"image tower of RN50/openai is a Sequential"):
        quantize_blocks(tower, "RN50/openai")
