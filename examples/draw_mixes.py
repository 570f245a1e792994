"""Draw what each mix does to the same two made-up images: the figures of docs/operators.md.

python examples/draw_mixes.py docs/figures/mixes
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from longtail_mix import MixedTarget, OtherSkin, SkinContrastSaliency, SPMix
from longtail_mix.data import synthetic_dermoscopy
from longtail_mix.functional import (
    area_weight,
    block_mask,
    cutmix,
    fill_in,
    lsm,
    mixup,
    random_boxes,
    remix,
    saliency_map,
    saliency_mix,
)

HEAD, TAIL = 0, 1
COUNTS = torch.tensor([900, 9])
SHARES = torch.tensor([0.75, 0.5, 0.25])  # of the first image; the modules draw theirs
SIZE = 112
BLOCK = 14


class Panel(NamedTuple):
    """An image [3, H, W] or a map [1, h, w] in [0, 1], and what is written above it."""

    image: Tensor
    title: str


class Pair(NamedTuple):
    """First and second images with their labels, as the mixes take them."""

    first: Tensor
    first_labels: Tensor
    second: Tensor
    second_labels: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, panels in figures(options.seed).items():
        row_of(panels).savefig(options.folder / f"{name}.png", dpi=80, bbox_inches="tight", pad_inches=0.05)


def figures(seed: int) -> dict[str, list[Panel]]:
    """The panels of each mix, by name."""
    tail, head, tail_lesion, head_lesion = two_images(seed)
    generator = torch.Generator().manual_seed(seed)
    boxes = random_boxes(SHARES, SIZE, SIZE, generator)
    tail_first = [Panel(tail[0], "tail (first)"), Panel(head[0], "head (second)")]
    head_first = [Panel(head[0], "head (first)"), Panel(tail[0], "tail (second)")]

    number = len(SHARES)
    labels = {TAIL: torch.full((number,), TAIL), HEAD: torch.full((number,), HEAD)}
    images = {TAIL: tail.expand(number, -1, -1, -1), HEAD: head.expand(number, -1, -1, -1)}
    onto_head = Pair(images[HEAD], labels[HEAD], images[TAIL], labels[TAIL])
    onto_tail = Pair(images[TAIL], labels[TAIL], images[HEAD], labels[HEAD])
    once = Pair(*(part[:1] for part in onto_tail))

    saliency = saliency_map(tail)
    tail_cam, head_cam = stand_in_for_grad_cam(tail_lesion), stand_in_for_grad_cam(head_lesion)
    mask, _ = block_mask(tail_cam, SIZE, SIZE, BLOCK)
    return {
        "mixup": tail_first + drawn(*mixup(*onto_tail, SHARES)),
        "cutmix": tail_first + drawn(*cutmix(*onto_tail, boxes)),
        "remix": tail_first + drawn(*remix(*onto_tail, SHARES, COUNTS)),
        "cmo": head_first + drawn(*cutmix(*onto_head, boxes)),
        "saliency_mix": [
            *head_first,
            Panel(saliency[0], "saliency of the tail"),
            *drawn(*saliency_mix(*onto_head, saliency.expand(number, -1, -1, -1), SHARES, generator)),
        ],
        "lsm": [
            *tail_first,
            Panel(tail_cam[0], "map of the tail"),
            Panel(head_cam[0], "map of the head"),
            Panel(mask[0], "mask of the blocks"),
            *mixed(*lsm(*once, tail_cam, head_cam, BLOCK), "by saliency"),
            *mixed(*lsm(*once, tail_cam, head_cam, BLOCK, area_weight), "by area"),
        ],
        "spmix": [
            *tail_first,
            *with_ratio(SPMix(patch_size=BLOCK), once, "paper's saliency", generator),
            *with_ratio(SPMix(patch_size=BLOCK, saliency=SkinContrastSaliency()), once, "skin contrast", generator),
        ],
        "other_skin": on_other_skin(
            once, tail_lesion, F.max_pool2d(head_lesion, SIZE // 16 * 2 + 1, 1, SIZE // 16), tail_first
        ),
    }


def mixed(images: Tensor, target: MixedTarget, *above: str) -> list[Panel]:
    """Mixes, each with a line of its own and its label above."""
    tail_share = target.soft(len(COUNTS))[:, TAIL].tolist()
    labels = [f"{share:.2f} tail, {1 - share:.2f} head" for share in tail_share]
    return [Panel(image, f"{line}\n{label}") for image, line, label in zip(images, above, labels, strict=True)]


def drawn(images: Tensor, target: MixedTarget) -> list[Panel]:
    """Mixes with the shares that were asked for."""
    return mixed(images, target, *(f"lam {share:.2f}" for share in SHARES.tolist()))


def with_ratio(spmix: SPMix, pair: Pair, name: str, generator: torch.Generator) -> list[Panel]:
    """The ratio of each patch, and the mix."""
    ratio = spmix.ratio(pair.first, pair.second, generator)
    target = MixedTarget.hard(pair.first_labels)
    return [Panel(ratio[0], f"ratio,\n{name}"), *mixed(spmix.mix(pair.first, pair.second, ratio), target, "mix")]


def on_other_skin(pair: Pair, keep: Tensor, theirs: Tensor, before: list[Panel]) -> list[Panel]:
    """The mask of the first lesion, the second image without its own, the mix without and with the first one's tone."""
    return [
        *before,
        Panel(keep[0], "mask of the first"),
        Panel(fill_in(pair.second / 255, 1 - theirs)[0], "second, filled in"),
        *mixed(*OtherSkin(keep_tone=False)(*pair, keep, theirs), "on its skin"),
        *mixed(*OtherSkin()(*pair, keep, theirs), "in its tone"),
    ]


def two_images(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images uint8 [1, 3, S, S] of a tail and a head class, and their lesion masks [1, 1, S, S]."""
    counts = [1, 0, 0, 0, 0, 0, 1]
    data = synthetic_dermoscopy(counts, size=SIZE, seed=seed)
    order = data.labels.argsort(descending=True)  # the last class is the tail
    images, masks = data.images[order], data.masks[order].float()
    return images[:1], images[1:], masks[:1], masks[1:]


def stand_in_for_grad_cam(lesion: Tensor) -> Tensor:
    """The lesion at the size of a network's last feature map: where a good classifier would look."""
    return F.adaptive_avg_pool2d(lesion, 7)


def row_of(panels: Sequence[Panel]) -> Figure:
    """One row of images and maps; maps from 0 (black) to 1 (white)."""
    figure = Figure(figsize=(1.75 * len(panels), 2.2))
    for axis, (image, title) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        if len(image) == 1:
            axis.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        else:
            axis.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
        axis.set_title(title, fontsize=8)
        axis.set(xticks=[], yticks=[])
    figure.tight_layout(pad=0.3)
    return figure


if __name__ == "__main__":
    main()
