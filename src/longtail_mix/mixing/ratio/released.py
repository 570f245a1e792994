"""The mixup ratio as the SPMix authors' released code computes it, which is not what the paper prints."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_alike, check_divisible, check_finite, check_generator, check_map_form
from longtail_mix._module import Module
from longtail_mix.mixing.ratio._maps import Room, a_few_at_a_time, is_flat, min_max, patch_means
from longtail_mix.mixing.ratio._noise import add_noise, starts_of
from longtail_mix.mixing.ratio._ratio_op import draw_seed
from longtail_mix.mixing.ratio.paper import NOISE, check_ratio_options

__all__ = ["ReleasedRatio", "released_ratio"]


def released_ratio(
    tail: Tensor,
    head: Tensor,
    patch_size: int = 16,
    alpha: float = 0.8,
    noise: float = NOISE,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Each map on its own: noise, patch mean, min-max, then to [0.5, 1]; the larger of the two, cut at `alpha`.

    Against :func:`~longtail_mix.functional.lesion_aware_ratio` the order of the steps differs, patches are averaged
    before the stretch, and no patch keeps less than half of its own image: with ``alpha=0.8`` the ratio lies in
    [0.5, 0.8]. The released code first subtracts 0.144 from the maps and divides by 0.137; the min-max undoes that, so
    only the noise has to be in the same units, +-0.5 * 0.137.

    The same in plain PyTorch::

        def of_one(s):
            p = F.avg_pool2d(s + noise * (2 * torch.rand_like(s) - 1), patch_size)
            low, high = p.amin((-2, -1), keepdim=True), p.amax((-2, -1), keepdim=True)
            return (p - low) / (high - low) / 2 + 0.5
        ratio = torch.maximum(of_one(tail), of_one(head)).clamp(max=alpha)

    Args:
        tail: saliency of the images that keep their label, [B, 1, H, W], floating point; in the released code these
            come from the uniform loader.
        head: saliency of their partners, same shape, dtype and device; in the released code from the class-balanced
            loader, the reverse of the paper's text.
        patch_size: side of a patch in pixels; it divides H and W.
        alpha: largest ratio, in (0, 1].
        noise: half width of the uniform noise on each map, at least 0.
        generator: where the noise comes from; on the same kind of device as the maps.

    Returns:
        Ratios [B, 1, H / patch_size, W / patch_size] in [min(0.5, alpha), alpha], in the dtype of the maps. Where
        either map has no contrast at all, they are `alpha`.

    Raises:
        TypeError, ValueError: as :func:`~longtail_mix.functional.lesion_aware_ratio`, and for maps that differ in
            shape, dtype or device.

    Example:
        >>> tail = torch.tensor([[[[1.0, 0.0], [0.5, 0.0]]]])
        >>> released_ratio(tail, torch.zeros_like(tail) + tail.flip(-1) / 2, patch_size=1, noise=0.0)
        tensor([[[[0.8000, 0.8000],
                  [0.7500, 0.7500]]]])
    """
    check_map_form(tail, "tail")
    check_map_form(head, "head")
    check_alike(tail, head, "tail", "head")
    check_ratio_options(patch_size, alpha, noise)
    check_divisible(tail, patch_size, "tail")
    check_generator(generator, tail.device)
    pixels = tail.shape[-2] * tail.shape[-1]
    starts = [starts_of(draw_seed(tail.device, generator), len(tail), pixels) for _ in range(2)]

    def at_least_half(saliency: Tensor, starts: Tensor, room: Tensor | None) -> Tensor:
        patches = patch_means(add_noise(saliency, noise, starts, out=room), patch_size)
        return torch.where(is_flat(saliency), 1, min_max(patches) / 2 + 0.5)

    def of_some(room: Room, tail: Tensor, head: Tensor, tail_starts: Tensor, head_starts: Tensor) -> Tensor:
        check_finite(tail, "tail")
        check_finite(head, "head")
        of_tail, of_head = at_least_half(tail, tail_starts, room[0]), at_least_half(head, head_starts, room[0])
        return torch.maximum(of_tail, of_head).clamp(max=alpha)

    return a_few_at_a_time(of_some, tail, head, *starts).to(tail.dtype)


class ReleasedRatio(Module):
    """The released code's recipe for a pair, as a module: see :func:`released_ratio`.

    Shape:
        tail [B, 1, H, W], head [B, 1, H, W] -> [B, 1, H / patch_size, W / patch_size], in [0.5, alpha] for alpha
        above 0.5.

    Example:
        >>> ratio = ReleasedRatio(patch_size=8)(torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32))
        >>> bool(ratio.min() >= 0.5), ratio.shape
        (True, torch.Size([2, 1, 4, 4]))
    """

    def __init__(self, patch_size: int = 16, alpha: float = 0.8, noise: float = NOISE) -> None:
        super().__init__()
        check_ratio_options(patch_size, alpha, noise)
        self.patch_size, self.alpha, self.noise = patch_size, alpha, noise

    def forward(self, tail: Tensor, head: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Ratios [B, 1, h, w] from the saliency of tail and head."""
        return released_ratio(tail, head, self.patch_size, self.alpha, self.noise, generator)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"patch_size={self.patch_size}, alpha={self.alpha}, noise={self.noise}"
