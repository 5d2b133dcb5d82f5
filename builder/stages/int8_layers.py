"""The blocks of a vision transformer in 8-bit integers, on a CPU with instructions for them: `embed --precision int8`.

Weights are rounded to 8 bits once, with a scale for each output; what comes in is rounded with a scale for each token,
so that what becomes of an image does not depend on the others of its batch. Sums are exact, in 32 bits, by oneDNN.
All else (norms, attention, the first and the last layer) stays as it was.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 127  # on either side of zero
ZERO = 128  # oneDNN takes what comes in as unsigned
BLOCK = 256  # rows that are rounded at a time
TINY = 1e-12  # keeps the scale of a row of zeros above zero


def quantize_blocks(tower: nn.Module, name: str) -> None:
    """Replace the linear layers and the attention of all blocks of an image tower of open_clip.

    ValueError where it has none: convolutional models, and the towers of timm.
    """
    from open_clip.transformer import ResidualAttentionBlock

    blocks = [one for one in tower.modules() if isinstance(one, ResidualAttentionBlock)]
    if not blocks:
        raise ValueError(
            f"precision int8 is for vision transformers of open_clip, and the image tower of {name} is a "
            f"{type(tower).__name__}: leave --precision out"
        )
    for block in blocks:
        block.attn = Int8Attention(block.attn)
        block.mlp.c_fc = Int8Linear(block.mlp.c_fc.weight, block.mlp.c_fc.bias)
        block.mlp.c_proj = Int8Linear(block.mlp.c_proj.weight, block.mlp.c_proj.bias)


class Int8Linear(nn.Module):
    """x Wᵀ + b of rows [..., in] of any float type, from float weights [out, in] and biases [out]."""

    def __init__(self, weight: "Tensor", bias: "Tensor") -> None:
        super().__init__()
        weight = weight.detach().float()
        self.scales = weight.abs().amax(dim=1).clamp(min=TINY) / LEVELS
        whole = (weight / self.scales[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(whole, None)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        self.bias = bias.detach()

    def forward(self, x: "Tensor") -> "Tensor":
        """[..., out] of the type of `x`."""
        whole, steps = round_rows(x.reshape(-1, x.shape[-1]))
        product = self._product(whole, x.dtype)
        result = torch.addcmul(self.bias.to(x.dtype), product, steps.to(x.dtype))
        return result.reshape(*x.shape[:-1], -1)

    def _product(self, whole: "Tensor", dtype: torch.dtype) -> "Tensor":
        """The product of integer rows with the weights; the scales of the rows are left out."""
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            whole,
            1.0,
            ZERO,
            self.packed,
            self.scales,
            self.zeros,
            None,  # bias
            1.0,
            0,
            dtype,
            "none",  # no function after it
            [],
            "",
        )
        return product


def round_rows(rows: "Tensor") -> "tuple[Tensor, Tensor]":
    """Rows [n, in] of any float type as uint8 around `ZERO`, and the step of each row, float32 [n, 1].

    By blocks that stay in the cache. Through int8, as torch turns float32 to uint8 one number at a time.
    """
    whole = torch.empty(rows.shape, dtype=torch.int8)
    steps = torch.empty((len(rows), 1), dtype=torch.float32)
    scratch = torch.empty((BLOCK, rows.shape[1]), dtype=torch.float32)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        exact = scratch[: len(rows[block])].copy_(rows[block])
        highest = exact.amax(dim=1, keepdim=True)
        lowest = exact.amin(dim=1, keepdim=True)
        steps[block] = torch.maximum(highest, -lowest).clamp_(min=TINY) / LEVELS
        whole[block] = exact.mul_(1 / steps[block]).round_()
    return whole.view(torch.uint8).bitwise_xor_(ZERO), steps


class Int8Attention(nn.Module):
    """Self-attention of torch's `MultiheadAttention`, called as open_clip's blocks call it."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads = attention.num_heads
        self.inward = Int8Linear(attention.in_proj_weight, attention.in_proj_bias)
        self.outward = Int8Linear(attention.out_proj.weight, attention.out_proj.bias)

    def forward(
        self,
        x: "Tensor",
        keys: "Tensor",
        values: "Tensor",
        need_weights: bool = False,
        attn_mask: "Tensor | None" = None,
    ) -> "tuple[Tensor, None]":
        """[batch, tokens, width], from the same three times."""
        parts = self.inward(x).unflatten(-1, (3, self.heads, -1))
        together = torch.empty_like(x)
        for image, part in enumerate(parts):
            query, key, value = part.permute(1, 2, 0, 3).contiguous()
            mixed = _mix(query, key, value, attn_mask)
            together[image] = mixed.transpose(0, 1).flatten(1)
        return self.outward(together), None


def _mix(
    query: "Tensor", key: "Tensor", value: "Tensor", mask: "Tensor | None"
) -> "Tensor":
    """The attention of one image, [heads, tokens, size of a head] as each of these; `query` is overwritten.

    As two products, which oneDNN does on bf16 in half the time of torch's attention on a CPU.
    """
    scores = query.mul_(query.shape[-1] ** -0.5) @ key.transpose(1, 2)
    if mask is not None:
        scores += mask
    return scores.softmax(-1) @ value
