"""What each detector makes of hairs, rulers, ink, stickers, dark corners, lesions at the border and over the frame.

Draws made-up images; with ISIC2018_ROOT and ISIC2017_ROOT set also real ones. The real ones are not ours to publish.
Writes a PNG of each and gallery.json, the AUROC of each detector on each image.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks.difficulties import Difficulty, made_up, real
from benchmarks.fidelity import detectors
from benchmarks.metadata import describe_run
from longtail_mix.metrics import saliency_auroc
from reproduction.training.atomic_files import write_text

SUMMARY = "images of what the detectors make of hairs, rulers, ink and other troubles"
SHOWN = (
    "fine-grained",
    "spectral residual",
    "boolean map",
    "skin contrast",
    "skin contrast, centre prior, margin",
    "segmenter",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--segmenter", type=Path, help="a checkpoint of examples/segmenter.py, for its column")
    parser.add_argument("--size", type=int, default=224, help="pixels a side (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/gallery"))


def run(options: argparse.Namespace) -> None:
    """Draw; print and write the AUROC of each detector on each image."""
    table = detectors(options.segmenter)
    modules = {name: table[name].module for name in SHOWN if name in table}
    options.out.mkdir(parents=True, exist_ok=True)
    auroc = {}
    for name, images in (("made_up", made_up(options.size)), ("real", real(options.size))):
        if images:
            figure, auroc[name] = draw(images, modules)
            figure.savefig(options.out / f"{name}.png", dpi=70)
            print(markdown(auroc[name]))
    report = {**describe_run(torch.device("cpu")), "size": options.size, "auroc": auroc}
    write_text(options.out / "gallery.json", json.dumps(report, indent=1) + "\n")


@torch.inference_mode()
def draw(
    difficulties: list[Difficulty], modules: dict[str, nn.Module | None]
) -> tuple[Figure, dict[str, dict[str, float]]]:
    """A row for each image: itself with the lesion's outline, and the map of each detector with its AUROC."""
    images = torch.stack([difficulty.image for difficulty in difficulties])
    masks = torch.stack([difficulty.mask for difficulty in difficulties])
    maps = {name: module.eval()(images) for name, module in modules.items() if module is not None}
    scores = {name: saliency_auroc(of, masks).tolist() for name, of in maps.items()}
    figure = Figure(figsize=(2 * (len(maps) + 1), 2.1 * len(difficulties)), layout="constrained")
    axes = figure.subplots(len(difficulties), len(maps) + 1, squeeze=False)
    for i, (difficulty, row) in enumerate(zip(difficulties, axes, strict=True)):
        row[0].imshow(_pixels(difficulty.image))
        if 0 < difficulty.mask.sum() < difficulty.mask.numel():
            row[0].contour(difficulty.mask[0].numpy(), levels=[0.5], colors="cyan", linewidths=1)
        row[0].set_ylabel(difficulty.name)
        for ax, (name, of) in zip(row[1:], maps.items(), strict=True):
            ax.imshow(of[i, 0].numpy(), cmap="gray", vmin=0, vmax=1)
            ax.set_xlabel(f"AUROC {scores[name][i]:.3f}", fontsize=8)
            if i == 0:
                ax.set_title(name.replace(", ", ",\n"), fontsize=8)
        for ax in row:
            ax.set_xticks([])
            ax.set_yticks([])
    by_image = {
        difficulty.name.replace("\n", ", "): {name: scores[name][i] for name in maps}
        for i, difficulty in enumerate(difficulties)
    }
    return figure, by_image


def _pixels(image: Tensor) -> np.ndarray[Any, Any]:
    return image.permute(1, 2, 0).numpy()


def markdown(scores: dict[str, dict[str, float]]) -> str:
    """AUROC of each detector on each image."""
    columns = list(next(iter(scores.values())))
    lines = [f"| image | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in scores.items():
        cells = " | ".join(f"{row[column]:.3f}" for column in columns)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines) + "\n"
