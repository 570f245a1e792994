"""The lesion-aware mixup ratio of the SPMix paper: how much of the tail image stays in each patch."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_alike,
    check_alpha,
    check_divisible,
    check_finite,
    check_generator,
    check_map_form,
    check_noise,
    check_whole,
)
from longtail_mix._module import Module
from longtail_mix.mixing.ratio._maps import Room, a_few_at_a_time, stretched_ratio
from longtail_mix.mixing.ratio._noise import add_noise, starts_of
from longtail_mix.mixing.ratio._ratio_op import draw_seed, kernel_makes_ratio, noisy_ratio

__all__ = ["NOISE", "LesionAwareRatio", "PaperRatio", "lesion_aware_ratio", "paper_ratio"]

NOISE = 0.0685
"""Half width of the uniform noise. The paper prints no amount; the released code adds +-0.5 to maps that were divided
by a standard deviation of 0.137, which is +-0.0685 on maps in [0, 1]."""


def lesion_aware_ratio(
    saliency: Tensor,
    patch_size: int = 16,
    alpha: float = 0.8,
    noise: float = NOISE,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Noise, min-max per image, cut at `alpha`, mean of each patch: Sec. 2.3 and Eq. 1 of the SPMix paper.

    The same in plain PyTorch::

        s = saliency + noise * (2 * torch.rand_like(saliency) - 1)  # by a faster generator, of 16 bits a pixel
        low, high = s.amin((-2, -1), keepdim=True), s.amax((-2, -1), keepdim=True)
        ratio = F.avg_pool2d(((s - low) / (high - low)).clamp(max=alpha), patch_size)

    A map without any contrast cannot say where the lesion is; it gets no noise, and its ratio is `alpha` everywhere, so
    that the image whose label is kept is kept as well.

    On a GPU with Triton, and where no gradient is asked for, it is a kernel. The same state of `generator` gives the
    same ratios on one kind of device; a CPU and a GPU draw different noise.

    Args:
        saliency: merged saliency [B, 1, H, W], floating point; H and W multiples of `patch_size`.
        patch_size: side of a patch in pixels.
        alpha: largest ratio, in (0, 1]. Below 1 every patch takes part in the mix.
        noise: half width of the uniform noise that is added to every pixel of the map, at least 0.
        generator: where the noise comes from; on the same kind of device as `saliency`.

    Returns:
        Ratios [B, 1, H / patch_size, W / patch_size] in [0, alpha], computed in float32 at least, returned in the
        dtype of `saliency`.

    Raises:
        TypeError: a map that is not floating point, options that are not numbers.
        ValueError: another shape, sizes that the patch does not divide, `alpha`, `noise` or `patch_size` out of
            range, a generator on another device, or (on the CPU, uncompiled) NaN or infinity.

    Example:
        >>> saliency = torch.zeros(1, 1, 4, 4)
        >>> saliency[..., :2, :2] = 1.0
        >>> lesion_aware_ratio(saliency, patch_size=2, alpha=0.8, noise=0.0)
        tensor([[[[0.8000, 0.0000],
                  [0.0000, 0.0000]]]])
    """
    check_map_form(saliency)
    _check(saliency, patch_size, alpha, noise, generator)
    return _ratio_of({"saliency": saliency}, patch_size, alpha, noise, generator)


def _ratio_of(
    maps: dict[str, Tensor], patch_size: int, alpha: float, noise: float, generator: torch.Generator | None
) -> Tensor:
    """The ratio of one map, or of two to be merged; their form has been checked, their values not."""
    first, *others = maps.values()
    seed = draw_seed(first.device, generator)
    if kernel_makes_ratio(first, *others):
        for name, values in maps.items():
            check_finite(values, name)
        ratio: Tensor = noisy_ratio(first, others[0] if others else None, seed, patch_size, alpha, noise)
        return ratio

    def of_some(room: Room, *some: Tensor) -> Tensor:
        *some_maps, starts = some
        for name, values in zip(maps, some_maps, strict=True):
            check_finite(values, name)
        merged = some_maps[0] if len(some_maps) == 1 else torch.maximum(*some_maps, out=room[0])
        noisy = add_noise(merged, noise, starts, out=room[1])
        return stretched_ratio(merged, noisy, patch_size, alpha, out=room[1])

    starts = starts_of(seed, len(first), first.shape[-2] * first.shape[-1])
    return a_few_at_a_time(of_some, first, *others, starts)


def _check(
    maps: Tensor, patch_size: int, alpha: float, noise: float, generator: torch.Generator | None, name: str = "saliency"
) -> None:
    check_ratio_options(patch_size, alpha, noise)
    check_divisible(maps, patch_size, name)
    check_generator(generator, maps.device)


def check_ratio_options(patch_size: int, alpha: float, noise: float) -> None:
    """The three numbers that every ratio recipe has."""
    check_whole(patch_size, "patch_size", 1)
    check_alpha(alpha)
    check_noise(noise)


class LesionAwareRatio(Module):
    """Merged saliency -> ratio per patch, as a module: see :func:`lesion_aware_ratio`.

    Args:
        patch_size: side of a patch in pixels.
        alpha: largest ratio, in (0, 1].
        noise: half width of the uniform noise on the map, at least 0.

    Shape:
        saliency [B, 1, H, W] -> [B, 1, H / patch_size, W / patch_size], in [0, alpha].

    Example:
        >>> LesionAwareRatio(patch_size=16)(torch.rand(2, 1, 224, 224)).shape
        torch.Size([2, 1, 14, 14])
    """

    def __init__(self, patch_size: int = 16, alpha: float = 0.8, noise: float = NOISE) -> None:
        super().__init__()
        check_ratio_options(patch_size, alpha, noise)
        self.patch_size, self.alpha, self.noise = patch_size, alpha, noise

    def forward(self, saliency: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Map merged saliency [B, 1, H, W] to ratios [B, 1, h, w]."""
        return lesion_aware_ratio(saliency, self.patch_size, self.alpha, self.noise, generator)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"patch_size={self.patch_size}, alpha={self.alpha}, noise={self.noise}"


def paper_ratio(
    tail: Tensor,
    head: Tensor,
    patch_size: int = 16,
    alpha: float = 0.8,
    noise: float = NOISE,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The paper's recipe for a pair: merge first, then noise, min-max, cut and patch mean (Eq. 1).

    The same in plain PyTorch: ``lesion_aware_ratio(torch.maximum(tail, head), patch_size, alpha, noise, generator)``.

    Args:
        tail: saliency of the images that keep their label, [B, 1, H, W], floating point.
        head: saliency of their partners, same shape, dtype and device.
        patch_size: side of a patch in pixels; it divides H and W.
        alpha: largest ratio, in (0, 1].
        noise: half width of the uniform noise on the merged map, at least 0.
        generator: where the noise comes from; on the same kind of device as the maps.

    Returns:
        Ratios [B, 1, H / patch_size, W / patch_size] in [0, alpha].

    Raises:
        TypeError, ValueError: as :func:`~longtail_mix.functional.merged_saliency` and :func:`lesion_aware_ratio`.

    Example:
        >>> paper_ratio(torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32), patch_size=8).shape
        torch.Size([2, 1, 4, 4])
    """
    check_map_form(tail, "tail")
    check_map_form(head, "head")
    check_alike(tail, head, "tail", "head")
    _check(tail, patch_size, alpha, noise, generator, "tail")
    return _ratio_of({"tail": tail, "head": head}, patch_size, alpha, noise, generator)


class PaperRatio(Module):
    """The paper's recipe for a pair, as a module: see :func:`paper_ratio`.

    It has the form :class:`~longtail_mix.SPMix` expects of a recipe: two saliency maps and a generator in, one ratio
    per patch out.

    Shape:
        tail [B, 1, H, W], head [B, 1, H, W] -> [B, 1, H / patch_size, W / patch_size], in [0, alpha].

    Example:
        >>> PaperRatio(patch_size=8)(torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32)).shape
        torch.Size([2, 1, 4, 4])
    """

    def __init__(self, patch_size: int = 16, alpha: float = 0.8, noise: float = NOISE) -> None:
        super().__init__()
        check_ratio_options(patch_size, alpha, noise)
        self.patch_size, self.alpha, self.noise = patch_size, alpha, noise

    def forward(self, tail: Tensor, head: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Ratios [B, 1, h, w] from the saliency of tail and head."""
        return paper_ratio(tail, head, self.patch_size, self.alpha, self.noise, generator)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"patch_size={self.patch_size}, alpha={self.alpha}, noise={self.noise}"
