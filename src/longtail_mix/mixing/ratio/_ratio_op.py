"""The lesion-aware ratio as one operation of PyTorch's, with noise from a seed.

What is reproducible: the same state of a generator gives the same ratios, on one kind of device, as everywhere in
PyTorch. The generator gives one number per call, which never leaves the device; the noise of a pixel follows from that
number, the place of the image in the batch and the place of the pixel, whatever the strides and the size of the batch.
Where the kernel runs, Philox makes it (`_philox.py` gives the same noise in plain PyTorch); elsewhere `_noise.py`,
which costs a tenth of Philox on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._triton import kernels_run_on
from longtail_mix.mixing.ratio._maps import ratio_with_draw
from longtail_mix.mixing.ratio._philox import philox_uniform


def kernel_makes_ratio(*maps: Tensor) -> bool:
    """Whether the kernel runs: it has no gradients, so maps that need them go through plain PyTorch."""
    return kernels_run_on(maps[0]) and not (torch.is_grad_enabled() and any(m.requires_grad for m in maps))


def draw_seed(device: torch.device, generator: torch.Generator | None) -> Tensor:
    """One number from the generator, [1] int64, on the device."""
    return torch.randint(2**62, (1,), device=device, generator=generator)


@torch.library.custom_op(
    "longtail_mix::noisy_ratio",
    mutates_args=(),
    schema="(Tensor tail, Tensor? head, Tensor seed, int patch_size, float alpha, float noise) -> Tensor",
)
def noisy_ratio(tail: Tensor, head: Tensor | None, seed: Tensor, patch_size: int, alpha: float, noise: float) -> Tensor:
    """Merge of tail and head, or tail alone; then noise, min-max, cut at alpha and patch mean."""
    if not kernels_run_on(tail):
        merged = tail if head is None else torch.maximum(tail, head)
        size, _, height, width = merged.shape
        draw = philox_uniform(seed, size, height * width).view(merged.shape)
        return ratio_with_draw(merged, draw, patch_size, alpha, noise)
    from longtail_mix.mixing.ratio._ratio_triton import ratio_of

    return ratio_of(tail, head, seed, patch_size, alpha, noise)


@noisy_ratio.register_fake
def _(tail: Tensor, _head: Tensor | None, _seed: Tensor, patch_size: int, _alpha: float, _noise: float) -> Tensor:
    size, _, height, width = tail.shape
    return tail.new_empty((size, 1, height // patch_size, width // patch_size))
