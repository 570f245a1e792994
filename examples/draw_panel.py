"""Draw what SPMix does to pairs of images: the figure of the README, or the same of ISIC 2018.

python examples/draw_panel.py docs/figures/panel.png
python examples/draw_panel.py runs/panel_isic2018.png --data isic2018 --pairs 8     images under ISIC2018_ROOT
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure

from longtail_mix import HeadTailPairing, SPMix
from longtail_mix.data import CLASSES, LESION_TYPES, load_images, read_isic2018, synthetic_dermoscopy
from longtail_mix.visualize import pair_panel
from reproduction.data.task import Images, pick


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--data", choices=["synthetic", "isic2018"], default="synthetic")
    parser.add_argument("--released", action="store_true", help="the released code's recipe instead of the paper's")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(options.seed)
    if options.data == "isic2018":
        classes, counts, images = isic2018_images(options.pairs, generator)
    else:
        classes, counts, images = synthetic_images(options.pairs, options.seed)
    spmix = SPMix.released() if options.released else SPMix()
    figure = panel_of(images, classes, counts, spmix, options.pairs, generator)
    options.path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.path, dpi=80)


def panel_of(
    side: Images,
    classes: Sequence[str],
    class_counts: Sequence[int],
    spmix: SPMix,
    pairs: int,
    generator: torch.Generator,
) -> Figure:
    """Up to `pairs` tail images, each with a head image drawn for it."""
    labels = side.labels.cpu()
    tail, head = (index[:pairs] for index in HeadTailPairing(class_counts)(labels, generator))
    names = [classes[label] for label in labels.tolist()]
    titles = [f"{names[t]}\n+ {names[h]}" for t, h in zip(tail.tolist(), head.tolist(), strict=True)]
    images = side.images.cpu()
    return pair_panel(images[tail], images[head], spmix, generator, titles)


def synthetic_images(pairs: int, seed: int) -> tuple[tuple[str, ...], list[int], Images]:
    """Class names, counts, and a handful of images of each class."""
    counts = [700, 300, 200, 100, 50, 20, 10]
    data = synthetic_dermoscopy([pairs] * len(counts), size=224, seed=seed)
    return LESION_TYPES, counts, Images(data.images, data.labels, data.lesions)


def isic2018_images(pairs: int, generator: torch.Generator) -> tuple[tuple[str, ...], list[int], Images]:
    """The same of ISIC 2018: as many images of each class as there are pairs, at random."""
    data = read_isic2018()
    order = torch.randperm(len(data.labels), generator=generator)
    rows = torch.cat([order[data.labels[order] == label][:pairs] for label in range(len(CLASSES))])
    rows = rows[torch.randperm(len(rows), generator=generator)]
    images = load_images([data.paths[row] for row in rows.tolist()], 224)
    return CLASSES, list(data.class_counts()), Images(images, data.labels[rows], pick(data.lesions, rows))


if __name__ == "__main__":
    main()
