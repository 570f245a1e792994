"""What each mix keeps of both lesions and uses of the second image's skin, against the true lesion masks.

The first image of a pair is of a tail class of ISIC 2018 (ISIC2018_ROOT), the second of a head class; on made-up
dermoscopy where the folder is not there. Mixes that look at a map get the true masks, and once more those of
SkinContrastSaliency. The lesion of an image that a mix moves is looked for where it was moved to, and what a mix paints
over is not there. Writes mix_fidelity.json and mix_fidelity.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.fidelity_data import READERS, Lesions, available
from benchmarks.metadata import describe_run
from longtail_mix import (
    LSM,
    AttentiveMix,
    BalancedMixUp,
    CopyPaste,
    CutMix,
    FidelityRatio,
    FMix,
    GridMix,
    GuidedMixup,
    KeepLabels,
    Mix,
    MixUp,
    OtherSkin,
    PuzzleMix,
    ResizeMix,
    SaliencyMix,
    SkinContrastSaliency,
    SkinSwap,
    SmoothMix,
    SnapMix,
    SPMix,
    TokenMix,
)
from longtail_mix.metrics import mix_fidelity
from longtail_mix.mixing._moves import moved
from reproduction.training.atomic_files import write_text

SUMMARY = "what each mix keeps of the lesions, against their true masks"


class Row(NamedTuple):
    """Means over the pairs that have what is measured."""

    retention: float
    leak: float
    background: float
    composite: float
    lam: float
    label_error: float


def mixes() -> dict[str, Mix]:
    """The mixes of the table: add one here. Remix, UniMix and CMO have the masks of MixUp and CutMix."""
    return {
        "MixUp": MixUp(),
        "BalancedMixUp": BalancedMixUp(),
        "CutMix": CutMix(),
        "FMix": FMix(),
        "ResizeMix": ResizeMix(),
        "GridMix": GridMix(),
        "SmoothMix": SmoothMix(),
        "SaliencyMix": SaliencyMix(),
        "AttentiveMix": AttentiveMix(),
        "GuidedMixup": GuidedMixup(),
        "SnapMix": SnapMix(),
        "TokenMix": TokenMix(),
        "PuzzleMix": PuzzleMix(),
        "LSM": LSM(block_size=16),
        "SPMix": KeepLabels(SPMix()),
        "SPMix, fidelity ratio": KeepLabels(SPMix(recipe=FidelityRatio())),
        "SkinSwap": SkinSwap(),
        "CopyPaste": CopyPaste(),
        "OtherSkin": OtherSkin(),
    }


@torch.inference_mode()
def measure(mix: Mix, data: Lesions, maps: Tensor, seed: int, batch: int) -> Row:
    """One row of the table."""
    generator, parts = torch.Generator().manual_seed(seed), []
    for tail, head in zip(data.tail.split(batch), data.head.split(batch), strict=True):
        labels = torch.zeros(len(tail), dtype=torch.long)
        pairs = (data.images[tail], labels, data.images[head], labels + 1, maps[tail], maps[head])
        _, target, record = mix.with_record(*pairs, generator=generator)
        whole = torch.ones_like(data.masks[tail])
        tail_mask = record._replace(mask=whole).carry(data.masks[tail], data.masks[tail])
        head_mask = record._replace(mask=~whole).carry(data.masks[head], data.masks[head])
        share = record.share(*whole.shape[-2:]).to(torch.float32).expand(len(tail), 1, *whole.shape[-2:])
        hidden = torch.zeros_like(head_mask)
        if record.painted is not None:
            hidden = head_mask & (moved(record.painted, record.second_grid, "nearest") >= 0.5)
        in_view = head_mask & ~hidden
        seen = [(part * mask).sum((1, 2, 3)) for part, mask in ((share, tail_mask), (1 - share, in_view))]
        share = torch.where(hidden & ~tail_mask, 1.0, share)  # nothing of a lesion leaks that was painted over
        error = (target.lam - seen[0] / (seen[0] + seen[1])).abs()  # NaN where no lesion is to see
        parts.append(torch.cat([mix_fidelity(share, tail_mask, head_mask), target.lam[:, None], error[:, None]], 1))
    retention, leak, background, lam, label_error = torch.cat(parts).nanmean(0).tolist()
    composite = (retention + 1 - leak + background) / 3
    return Row(retention, leak, background, composite, lam, label_error)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", choices=tuple(READERS), help="default: the first that the environment points at")
    parser.add_argument("--images", type=int, default=300, help="so many, drawn at random (%(default)s)")
    parser.add_argument("--size", type=int, default=224, help="pixels a side (%(default)s), a multiple of 16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/mix_fidelity"))


def run(options: argparse.Namespace) -> None:
    """Measure, print the table, write it."""
    data = READERS[options.data or available()[0]](options.size, options.images, options.seed)
    rows, detected = (
        {name: measure(mix, data, maps, options.seed, options.batch) for name, mix in tqdm(mixes().items(), unit="mix")}
        for maps in (data.masks.float(), maps_of(SkinContrastSaliency(), data.images, options.batch))
    )
    text = markdown(rows, detected)
    report = {
        **describe_run(torch.device("cpu")),
        "data": data.name,
        "pairs": len(data.tail),
        "setting": {name: getattr(options, name) for name in ("images", "size", "batch", "seed")},
        "rows": {name: row._asdict() for name, row in rows.items()},
        "detected": {name: row._asdict() for name, row in detected.items()},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in (("json", json.dumps(report, indent=1) + "\n"), ("md", text)):
        write_text(options.out / f"mix_fidelity.{name}", content)
    print(f"{data.name}, {len(data.tail)} pairs\n\n{text}")


@torch.inference_mode()
def maps_of(detector: nn.Module, images: Tensor, batch: int) -> Tensor:
    """A map for each image, batch by batch."""
    return torch.cat([detector(part) for part in images.split(batch)])


def markdown(rows: dict[str, Row], detected: dict[str, Row]) -> str:
    """The table: all of it with the true masks, and what of it is not the label with a detector's maps."""
    names = ("retention", "leak", "background", "composite")
    heading = ["mix", *names, "label", "label error", *[f"{name}, detector" for name in names]]
    lines = [f"| {' | '.join(heading)} |", "|" + " --- |" * len(heading)]
    for name, row in rows.items():
        cells = " | ".join(f"{value:.2f}" for value in (*row, *detected[name][:4]))
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines) + "\n"
