"""How well a saliency map finds the lesion: AUROC and best-threshold IoU of each image against its mask."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from longtail_mix._checks import check_has_values, check_map, check_tensor
from longtail_mix.metrics._masks import check_mask

__all__ = ["BestThresholdIoU", "SaliencyAUROC", "auroc_and_iou", "best_threshold_iou", "saliency_auroc"]


def saliency_auroc(saliency: Tensor, mask: Tensor) -> Tensor:
    """Area under the ROC curve of each map against its own mask, ties counted as one half.

    It is the share of pairs of one pixel inside and one outside the lesion in which the inner one is more salient::

        inside, outside = saliency[mask], saliency[~mask]
        more = (inside[:, None] > outside).double() + 0.5 * (inside[:, None] == outside)
        auroc = more.mean()

    Computed from rank sums (Mann & Whitney), which are whole numbers, so only the last division rounds.

    Args:
        saliency: maps [B, 1, H, W], floating point; only the order of the values matters.
        mask: lesions [B, 1, H, W], bool.

    Returns:
        [B] float64 in [0, 1]; NaN where the mask is empty or full.

    Raises:
        TypeError: maps that are not floating point, masks that are not bool.
        ValueError: shapes or devices that do not fit; and (on the CPU, uncompiled) NaN or infinity.

    Example:
        >>> saliency = torch.tensor([[[[0.9, 0.4, 0.4, 0.1]]]])
        >>> saliency_auroc(saliency, torch.tensor([[[[True, True, False, False]]]]))
        tensor([0.8750], dtype=torch.float64)
    """
    return auroc_and_iou(saliency, mask)[0]


def best_threshold_iou(saliency: Tensor, mask: Tensor) -> Tensor:
    """Intersection over union of each map at the threshold that is best for this very image.

    The maximum over all t of the IoU between the mask and ``saliency >= t``, t any value of the map: an upper bound of
    what any rule for a threshold can reach::

        best = max((mask & (saliency >= t)).sum() / (mask | (saliency >= t)).sum() for t in saliency.unique())

    Args:
        saliency: maps [B, 1, H, W], floating point.
        mask: lesions [B, 1, H, W], bool.

    Returns:
        [B] float64 in [0, 1]; NaN where the mask is empty. A flat map reaches the mask's share of the image.

    Raises:
        TypeError, ValueError: as :func:`saliency_auroc`.

    Example:
        >>> saliency = torch.tensor([[[[0.9, 0.4, 0.3, 0.1]]]])
        >>> best_threshold_iou(saliency, torch.tensor([[[[True, False, True, False]]]]))
        tensor([0.6667], dtype=torch.float64)
    """
    return auroc_and_iou(saliency, mask)[1]


def auroc_and_iou(saliency: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`saliency_auroc` and :func:`best_threshold_iou` from one sort, which is most of their cost: [B], [B].

    Example:
        >>> auroc, iou = auroc_and_iou(torch.tensor([[[[0.9, 0.1]]]]), torch.tensor([[[[True, False]]]]))
        >>> auroc.item(), iou.item()
        (1.0, 1.0)
    """
    values, inside = _sorted(saliency, mask)
    first, last = _ties(values)
    pixels = values.shape[1]
    lesion = inside.sum(1)
    skin = pixels - lesion
    # Twice the mean rank of a group of ties, ranks from 1, stays whole.
    twice_ranks = ((first + last + 2) * inside).sum(1)
    auroc = (twice_ranks - lesion * (lesion + 1)).to(torch.float64) / (2 * lesion * skin)
    # A threshold takes whole groups of ties: all pixels from the first of its group upwards.
    below = (inside.cumsum(1) - inside.to(torch.int64)).gather(1, first)
    shared = lesion.unsqueeze(1) - below
    union = (pixels - first) + below
    best = (shared.to(torch.float64) / union).amax(1)
    return auroc, torch.where(lesion > 0, best, torch.nan)


def _sorted(saliency: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Values in ascending order and whether each is inside the lesion, [B, H*W] each."""
    check_map(saliency)
    check_mask(mask, saliency, "mask", "saliency")
    if mask.shape != saliency.shape:
        raise ValueError(f"mask: expected shape {list(saliency.shape)} like saliency, got {list(mask.shape)}")
    values, order = saliency.detach().flatten(1).sort(1)
    return values, mask.flatten(1).gather(1, order)


def _ties(values: Tensor) -> tuple[Tensor, Tensor]:
    """First and last position of the group of equal values to which each belongs, [B, N] each."""
    pixels = values.shape[1]
    at = torch.arange(pixels, device=values.device).expand_as(values)
    changes = values[:, 1:] != values[:, :-1]
    edge = changes.new_ones((len(values), 1))
    first = torch.where(torch.cat([edge, changes], 1), at, 0).cummax(1).values
    last = torch.where(torch.cat([changes, edge], 1), at, pixels).flip(1).cummin(1).values.flip(1)
    return first, last


class _PerImage(Metric):
    """Keeps one value for each image, because a data set is judged by its worst images as well."""

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    values: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("values", [], dist_reduce_fx="cat")

    def per_image(self) -> Tensor:
        """The value of each image so far [N], in the order of the updates of this process; NaN where undefined."""
        return dim_zero_cat(self.values) if self.values else torch.empty(0, dtype=torch.float64, device=self.device)

    def compute(self) -> dict[str, Tensor]:
        """Mean and 10th percentile (interpolated linearly) over the images for which the value is defined."""
        values = self.per_image()
        values = values[~values.isnan()]
        tenth = torch.quantile(values, 0.1) if len(values) else values.new_tensor(torch.nan)
        return {"mean": values.mean(), "tenth_percentile": tenth}


class SaliencyAUROC(_PerImage):
    """Mean and 10th percentile over images of :func:`saliency_auroc`.

    Images whose mask is empty or full have no AUROC and do not count.

    Shape:
        update: saliency [B, 1, H, W] and mask [B, 1, H, W] bool; compute: a dict of float64 scalars ``mean`` and
        ``tenth_percentile``, NaN without an image; :meth:`per_image`: [N].

    Example:
        >>> auroc = SaliencyAUROC()
        >>> auroc.update(torch.tensor([[[[0.9, 0.1]]], [[[0.2, 0.2]]]]), torch.tensor([[[[True, False]]]] * 2))
        >>> auroc.per_image(), auroc.compute()["mean"]
        (tensor([1.0000, 0.5000], dtype=torch.float64), tensor(0.7500, dtype=torch.float64))
    """

    def update(self, saliency: Tensor, mask: Tensor) -> None:
        """Add a batch."""
        check_tensor(saliency, "saliency")
        check_has_values(saliency, "saliency")
        self.values.append(saliency_auroc(saliency, mask))


class BestThresholdIoU(_PerImage):
    """Mean and 10th percentile over images of :func:`best_threshold_iou`: the best threshold for each image.

    Images whose mask is empty do not count.

    Shape:
        update: saliency [B, 1, H, W] and mask [B, 1, H, W] bool; compute: a dict of float64 scalars ``mean`` and
        ``tenth_percentile``, NaN without an image; :meth:`per_image`: [N].

    Example:
        >>> iou = BestThresholdIoU()
        >>> iou.update(torch.tensor([[[[0.9, 0.8, 0.1, 0.0]]]]), torch.tensor([[[[True, True, False, False]]]]))
        >>> iou.compute()["mean"]
        tensor(1., dtype=torch.float64)
    """

    def update(self, saliency: Tensor, mask: Tensor) -> None:
        """Add a batch."""
        check_tensor(saliency, "saliency")
        check_has_values(saliency, "saliency")
        self.values.append(best_threshold_iou(saliency, mask))
