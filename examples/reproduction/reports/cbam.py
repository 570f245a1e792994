"""Where CBAM looks: Figs. 3 and 4 of Barata and Santiago 2021."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from reproduction.training.judging import Judged


def attention_maps(judged: Sequence[Judged], hard: bool) -> Figure:
    """An image of each class with, for every model, the spatial attention and its best channel's feature map.

    The best channel is the one that CBAM lets through most. Brightness is from the least to the most of each map; a
    model's heading has what it says of the image.

    Args:
        judged: of one split.
        hard: images that one model or more gets wrong, as in Fig. 3; else those that all get right, as in Fig. 4. The
            first of each class; a class without one is left out.
    """
    classes, side = judged[0].facts["classes"], judged[0].side
    rows = examples(judged, hard)
    figure = Figure(figsize=(2 + 3.2 * len(judged), 1.9 * max(len(rows), 1)), layout="constrained")
    if not rows:
        figure.suptitle("no such image")
        return figure
    for row, axes in zip(rows, figure.subplots(len(rows), 1 + 2 * len(judged), squeeze=False), strict=True):
        image = side.images[row].permute(1, 2, 0).numpy()
        height, width = image.shape[:2]
        axes[0].imshow(image)
        axes[0].set_title(classes[side.labels[row]], fontsize=8)
        for i, one in enumerate(judged):
            said = classes[one.logits[row].argmax()]
            parts = (("place", f"{one.name}: {said}"), ("channel", "best channel"))
            for axis, (name, title) in zip(axes[1 + 2 * i : 3 + 2 * i], parts, strict=True):
                axis.imshow(image)
                seen = one.told[name][row, 0].numpy()
                axis.imshow(seen, cmap="jet", alpha=0.6, extent=(0, width, height, 0), interpolation="bilinear")
                axis.set_title(title, fontsize=8)
        for axis in axes:
            axis.axis("off")
    return figure


def examples(judged: Sequence[Judged], hard: bool) -> list[int]:
    """The first row of each class that some model gets wrong, or that all get right."""
    labels = judged[0].side.labels
    wrong: Tensor = torch.stack([one.logits.argmax(1) != labels for one in judged]).any(0)
    found = [((labels == label) & (wrong == hard)).nonzero().flatten() for label in range(judged[0].logits.shape[1])]
    return [int(rows[0]) for rows in found if len(rows)]
