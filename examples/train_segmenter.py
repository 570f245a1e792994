"""Train a lesion segmenter with the Dice loss; SegmentationSaliency makes saliency of it.

    python examples/train_segmenter.py --network deeplabv3 --size 256      ISIC 2017 Task 1, under ISIC2017_ROOT
    python examples/train_segmenter.py --data isic2017 isic2018            the lesion masks of ISIC 2018 Task 3 as well
    python examples/train_segmenter.py --data synthetic --steps 100        made-up images, nothing to download

It learns from one half of each set, and its Dice is that of the other, lesion by lesion.

Writes segmenter.pt and metrics.json under --out. To use it:

    saliency = SegmentationSaliency(load_segmenter(Path("runs/segmenter/segmenter.pt")))
    spmix = SPMix(class_counts, saliency=saliency)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import kornia.augmentation as K
import torch
from kornia.losses import dice_loss
from segmenters import NETWORKS, build_segmenter, save_segmenter
from torch import Tensor, nn
from tqdm import tqdm

from longtail_mix.data import (
    isic2018_masks,
    load_images,
    load_masks,
    read_isic2017,
    read_isic2018,
    squash,
    stratified_split,
    synthetic_dermoscopy,
)
from longtail_mix.saliency import SegmentationSaliency

HALF_SEED = 0  # as in benchmarks/fidelity_data.py: what is trained on one half is measured on the other


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=READERS, default=["isic2017"])
    parser.add_argument("--network", choices=NETWORKS, default="lraspp")
    parser.add_argument("--size", type=int, default=128, help="side of the images in pixels")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cache-dir", type=Path, help="where decoded images are kept")
    parser.add_argument("--out", type=Path, default=Path("runs/segmenter"))
    return parser.parse_args()


class Lesions(NamedTuple):
    """Whole frames squashed to a square, and which of them are kept for the test."""

    images: Tensor  # uint8 [N, 3, S, S]
    masks: Tensor  # bool [N, 1, S, S]
    held_out: Tensor  # bool [N]


def synthetic(options: argparse.Namespace) -> Lesions:
    data = synthetic_dermoscopy([60] * 7, options.size, options.seed)
    return Lesions(data.images, data.masks, second_half(data.labels, data.lesions))


def isic2017(options: argparse.Namespace) -> Lesions:
    files = read_isic2017()
    images = load_images(files.paths, options.size, squash, options.cache_dir)
    masks = load_masks(files.masks, options.size, squash, options.cache_dir)
    no_classes = torch.zeros(len(images), dtype=torch.int64)
    return Lesions(images, masks, second_half(no_classes, files.names))


def isic2018(options: argparse.Namespace) -> Lesions:
    files = read_isic2018()
    images = load_images(files.paths, options.size, squash, options.cache_dir)
    masks = load_masks(isic2018_masks(files), options.size, squash, options.cache_dir)
    return Lesions(images, masks, second_half(files.labels, files.lesions))


READERS = {"synthetic": synthetic, "isic2017": isic2017, "isic2018": isic2018}


def second_half(labels: Tensor, lesions: Sequence[str]) -> Tensor:
    """Whether each image is in the half that is kept for the test, bool [N]; no lesion is in both."""
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[stratified_split(labels, lesions, 0.5, HALF_SEED).test] = True
    return held_out


def train(model: nn.Module, images: Tensor, masks: Tensor, options: argparse.Namespace) -> None:
    """Dice loss on random crops, flips, rotations and colours; image and mask through the same ones."""
    augment = K.AugmentationSequential(
        K.RandomResizedCrop((options.size, options.size), scale=(0.25, 1.0), ratio=(3 / 4, 4 / 3)),
        K.RandomHorizontalFlip(),
        K.RandomVerticalFlip(),
        K.RandomRotation90((0, 3), p=1.0),
        K.ColorJitter(0.2, 0.2, 0.2, 0.03, p=0.8),
        data_keys=["input", "mask"],
    )
    optimizer = torch.optim.AdamW(model.parameters(), options.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, options.steps, pct_start=0.1)
    model.train()
    with tqdm(range(options.steps), "segmenter", unit="step") as progress:
        for step in progress:
            rows = torch.randint(len(images), (options.batch_size,), device=images.device)
            crops, lesions = augment(images[rows] / 255, masks[rows].float())
            logits = model(crops)["out"]
            loss = dice_loss(logits, (lesions[:, 0] > 0.5).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % 20 == 19:
                progress.set_postfix(loss=f"{loss.item():.3f}")


def mean_dice(model: nn.Module, images: Tensor, masks: Tensor, batch_size: int) -> float:
    """Dice coefficient at probability 0.5, averaged over images."""
    saliency = SegmentationSaliency(model)
    lesions = torch.cat([saliency(batch) > 0.5 for batch in images.split(batch_size)])
    both = (lesions & masks).sum((1, 2, 3))
    return (2 * both / (lesions.sum((1, 2, 3)) + masks.sum((1, 2, 3))).clamp(min=1)).mean().item()


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    sets = [READERS[name](options) for name in dict.fromkeys(options.data)]
    images, masks, held_out = (torch.cat(parts).to(options.device) for parts in zip(*sets, strict=True))
    model = build_segmenter(options.network, options.size).to(options.device)
    train(model, images[~held_out], masks[~held_out], options)
    dice = mean_dice(model, images[held_out], masks[held_out], options.batch_size)
    save_segmenter(options.out / "segmenter.pt", options.network, options.size, model)
    report = {
        "held_out_dice": dice,
        "held_out_images": int(held_out.sum()),
        "training_images": int((~held_out).sum()),
        "command": " ".join(["python", *sys.argv]),
        "versions": {name: version(name) for name in ("longtail-mix", "torch", "torchvision", "kornia")},
    }
    (options.out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"Dice on {report['held_out_images']} images that were not trained on: {dice:.4f}")


if __name__ == "__main__":
    main()
