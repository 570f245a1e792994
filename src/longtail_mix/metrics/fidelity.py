"""Mix fidelity: how well a ratio keeps the tail's lesion, keeps the head's lesion out, and uses the head's skin."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from longtail_mix._checks import check_map
from longtail_mix.metrics._masks import check_mask

__all__ = ["MixFidelity", "mix_fidelity"]


def mix_fidelity(ratio: Tensor, tail_mask: Tensor, head_mask: Tensor) -> Tensor:
    """Retention, leak and background of each pair, against the lesion masks of both images.

    The same in plain PyTorch, for one pair with the ratio ``r`` spread over its patches::

        retention = r[tail].mean()                       # the tail's lesion that stays; 1 is best
        leak = (1 - r)[head & ~tail].mean()              # the head's lesion that gets in; 0 is best
        background = (1 - r)[~head & ~tail].mean()       # the head's skin that is used; 1 is best

    Args:
        ratio: share of the tail image [B, 1, h, w] in [0, 1], floating point: one for each patch, or for each pixel.
        tail_mask: lesions of the images that keep their label [B, 1, H, W], bool; h divides H and w divides W.
        head_mask: lesions of their partners, same shape.

    Returns:
        [B, 3] float64: retention, leak, background; NaN where the pair has no such region.

    Raises:
        TypeError: a ratio that is not floating point, masks that are not bool.
        ValueError: shapes or devices that do not fit; and (on the CPU, uncompiled) a ratio outside [0, 1].

    Example:
        >>> tail = torch.tensor([[[[True, False, False, False]]]])
        >>> head = torch.tensor([[[[True, True, False, False]]]])
        >>> mix_fidelity(torch.tensor([[[[0.75, 0.25]]]]), tail, head)
        tensor([[0.7500, 0.2500, 0.7500]], dtype=torch.float64)
    """
    check_map(ratio, "ratio")
    check_mask(tail_mask, ratio, "tail_mask", "ratio")
    check_mask(head_mask, ratio, "head_mask", "ratio")
    if head_mask.shape != tail_mask.shape:
        raise ValueError(f"head_mask: expected shape {list(tail_mask.shape)}, got {list(head_mask.shape)}")
    height, width = tail_mask.shape[-2:]
    rows, columns = ratio.shape[-2:]
    if height % rows or width % columns:
        raise ValueError(f"ratio: expected a grid that divides {height}x{width}, got {rows}x{columns}")
    if ratio.device.type == "cpu" and not ((ratio >= 0) & (ratio <= 1)).all():
        raise ValueError(f"ratio: expected values in [0, 1], got {ratio.min():.3g} to {ratio.max():.3g}")

    # Pixels of each region in each patch: the mean over pixels is then a weighted mean over patches.
    regions = torch.cat([tail_mask, head_mask & ~tail_mask, ~head_mask & ~tail_mask], 1)
    blocks = regions.unflatten(3, (columns, -1)).unflatten(2, (rows, -1))
    pixels = blocks.sum((3, 5), dtype=torch.float64)  # [B, 3, h, w]
    of_tail = ratio.to(torch.float64)
    share = torch.cat([of_tail, 1 - of_tail, 1 - of_tail], 1)
    kept: Tensor = (share * pixels).sum((2, 3)) / pixels.sum((2, 3))
    return kept


class MixFidelity(Metric):
    """Mix fidelity over a data set: :func:`mix_fidelity` averaged over the pairs that have the region.

    Every pair counts once for each of its regions, whatever their size and whatever the batches.
    ``composite = (retention + (1 - leak) + background) / 3`` is taken of the three means.

    Shape:
        update: ratio [B, 1, h, w], tail_mask and head_mask [B, 1, H, W]; compute: a dict of float64 scalars
        ``retention``, ``leak``, ``background`` and ``composite``, NaN where no pair had the region.

    Example:
        >>> fidelity = MixFidelity()
        >>> tail = torch.tensor([[[[True, False, False, False]]]])
        >>> fidelity.update(torch.tensor([[[[0.8, 0.2]]]]), tail, tail.roll(1, 3))
        >>> {name: round(value.item(), 3) for name, value in fidelity.compute().items()}
        {'retention': 0.8, 'leak': 0.2, 'background': 0.8, 'composite': 0.8}
    """

    is_differentiable = False
    full_state_update = False
    sums: Tensor
    pairs: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(3, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("pairs", torch.zeros(3, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, ratio: Tensor, tail_mask: Tensor, head_mask: Tensor) -> None:
        """Add a batch of pairs."""
        of_pairs = mix_fidelity(ratio, tail_mask, head_mask)
        self.sums += of_pairs.nansum(0)
        self.pairs += (~of_pairs.isnan()).sum(0)

    def compute(self) -> dict[str, Tensor]:
        """The means so far, and their composite."""
        retention, leak, background = (self.sums / self.pairs).unbind()
        composite = (retention + (1 - leak) + background) / 3
        return {"retention": retention, "leak": leak, "background": background, "composite": composite}
