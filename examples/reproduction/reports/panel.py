"""What a method is shown: the views of one batch with their saliency, and the mix as it would be of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from framework_batch import Batch
from framework_contrastive import MomentumContrast
from framework_methods import Method
from matplotlib.figure import Figure
from torch import Tensor

from longtail_mix.functional import patch_mixup


@torch.no_grad()
def panel_of_batch(batch: Batch, method: Method, classes: Sequence[str], most: int = 6) -> Figure:
    """A row for each of up to `most` images, the most mixed first; columns only where there is something.

    For each view: the labelled image, its saliency, the partner, its saliency, the share of the labelled image in
    each patch, the mix.
    """
    labels = batch.labelled.labels
    columns: list[tuple[str, Tensor]] = []
    kept = torch.zeros(len(labels), device=labels.device)  # how much of each image is in its mixes
    for view, view_images in enumerate(batch.labelled.views):
        columns.append((f"view {view + 1}", view_images))
        columns += [("saliency", m) for m in batch.labelled.maps[view : view + 1]]
        if batch.partners is not None:
            partners = batch.partners.views[view]
            columns.append(("partner", partners))
            columns += [("saliency", m) for m in batch.partners.maps[view : view + 1]]
            if isinstance(method, MomentumContrast) and method.ratio is not None:
                ratio = method.ratio(batch, view)
                kept += ratio.mean((1, 2, 3))
                columns += [("ratio", ratio), ("mix", patch_mixup(view_images, partners, ratio))]
    rows = kept.argsort(stable=True)[:most].tolist()
    figure = Figure(figsize=(1.3 * len(columns), 1.4 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for place, (line, row) in enumerate(zip(axes, rows, strict=True)):
        line[0].set_ylabel(classes[int(labels[row])], fontsize=8)
        for axis, (title, images) in zip(line, columns, strict=True):
            image = images[row].float().cpu().clamp(0, 1)
            axis.imshow(image.movedim(0, -1).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            if place == 0:
                axis.set_title(title, fontsize=8)
    return figure
