"""Which detector finds the lesion, and what a mix made with it keeps.

On ISIC 2018 (ISIC2018_ROOT) and ISIC 2017 (ISIC2017_ROOT), on made-up dermoscopy where neither is there: AUROC and
best-threshold IoU of each detector against the lesion masks; retention, leak, background, composite of the mix;
milliseconds per picture. Three views: whole frames; random resized crops with the map computed on the crop; the same
crops with the map computed on the whole frame and carried through the crop. Writes fidelity.json and fidelity.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.baselines import CentrePrior, Constant, ConstantRatio, Darkness
from benchmarks.bootstrap import bootstrap_means, bootstrap_quantiles, interval, lesion_draws
from benchmarks.crops import crop_maps, crop_masks, crop_pictures, draw_crops
from benchmarks.fidelity_data import READERS, Lesions, available
from benchmarks.metadata import describe_run
from longtail_mix import (
    BooleanMapSaliency,
    PaperRatio,
    ReleasedRatio,
    SaliencyMap,
    SkinContrastSaliency,
    SpectralResidualSaliency,
)
from longtail_mix.metrics import best_threshold_iou, mix_fidelity, saliency_auroc

SUMMARY = "detectors against lesion masks, and what their mixes keep"
VIEWS = ("whole frames", "crops, map of the crop", "crops, map carried")
OF_PICTURES = ("auroc", "iou")
OF_PAIRS = ("retention", "leak", "background")
COLUMNS = {
    "AUROC": "auroc",
    "10th percentile": "auroc_tenth_percentile",
    "IoU": "iou",
    "retention": "retention",
    "leak": "leak",
    "background": "background",
    "composite": "composite",
    "composite, all pairs": "composite_all_pairs",
}
INTERVALS = ("auroc", "composite", "composite_all_pairs")  # printed; the JSON file has all


class Row(NamedTuple):
    """A line of the table."""

    detector: nn.Module | None  # None stands for the lesion masks themselves
    recipe: nn.Module


def rows() -> dict[str, Row]:
    """The lines of the table: add a detector here."""
    detectors: dict[str, nn.Module | None] = {
        "fine-grained": SaliencyMap(),
        "spectral residual": SpectralResidualSaliency(),
        "boolean map": BooleanMapSaliency(),
        "skin contrast": SkinContrastSaliency(),
        "skin contrast, centre prior": SkinContrastSaliency(center_prior=1.0),
        "skin contrast, centre prior, margin": SkinContrastSaliency(center_prior=1.0, margin=1 / 28),
        "darkness": Darkness(),
        "centre prior": CentrePrior(),
        "true masks": None,
    }
    return {
        "plain mixup": Row(Constant(), ConstantRatio(0.5)),
        "fine-grained, released recipe": Row(SaliencyMap(), ReleasedRatio()),
        **{name: Row(detector, PaperRatio()) for name, detector in detectors.items()},
    }


@dataclass(frozen=True)
class View:
    """How the pictures of a set are seen."""

    name: str
    crops: Tensor  # [N, 4]
    device: torch.device
    data: Lesions

    def maps_and_masks(self, detector: nn.Module | None, index: Tensor) -> tuple[Tensor, Tensor]:
        """Maps and masks [n, 1, S, S] of some pictures."""
        images, masks = (x[index].to(self.device) for x in (self.data.images, self.data.masks))
        crops = self.crops[index].to(self.device)
        if self.name == "whole frames":
            return masks.float() if detector is None else detector(images), masks
        cropped = crop_masks(masks, crops)
        if detector is None:
            return cropped.float(), cropped
        if self.name == "crops, map carried":
            return crop_maps(detector(images), crops).clamp(0, 1), cropped
        return detector(crop_pictures(images, crops)), cropped


@torch.inference_mode()
def measure(row: Row, view: View, batch: int, seed: int) -> tuple[Tensor, Tensor]:
    """AUROC and IoU of each picture [N, 2]; retention, leak and background of each pair [M, 3]; float64, NaN."""
    generator = torch.Generator(view.device).manual_seed(seed)
    of_pictures, of_pairs = [], []
    for index in torch.arange(len(view.data.images)).split(batch):
        maps, masks = view.maps_and_masks(row.detector, index)
        of_pictures.append(torch.stack([saliency_auroc(maps, masks), best_threshold_iou(maps, masks)], 1).cpu())
    for tail, head in zip(view.data.tail.split(batch), view.data.head.split(batch), strict=True):
        tail_maps, tail_masks = view.maps_and_masks(row.detector, tail)
        head_maps, head_masks = view.maps_and_masks(row.detector, head)
        ratio = row.recipe(tail_maps, head_maps, generator)
        of_pairs.append(mix_fidelity(ratio, tail_masks, head_masks).cpu())
    return torch.cat(of_pictures), torch.cat(of_pairs)


def summarise(of_pictures: Tensor, of_pairs: Tensor, picture_draws: Tensor, pair_draws: Tensor) -> dict[str, object]:
    """Each measure with its 95 % interval."""
    pictures, pairs = bootstrap_means(of_pictures, picture_draws), bootstrap_means(of_pairs, pair_draws)
    summary: dict[str, object] = {}

    def put(name: str, value: Tensor, replicates: Tensor) -> None:
        summary[name] = {"value": value.item(), "interval": interval(replicates)}

    for i, name in enumerate(OF_PICTURES):
        put(name, of_pictures[:, i].nanmean(), pictures[:, i])
        put(
            f"{name}_tenth_percentile",
            torch.nanquantile(of_pictures[:, i], 0.1),
            bootstrap_quantiles(of_pictures[:, i], picture_draws, 0.1),
        )
    for i, name in enumerate(OF_PAIRS):
        put(name, of_pairs[:, i].nanmean(), pairs[:, i])
    put("composite", composite(of_pairs.nanmean(0)), composite(pairs))
    # Where the head's lesion lies inside the tail's nothing can leak.
    filled = torch.stack([of_pairs[:, 0], of_pairs[:, 1].nan_to_num(0), of_pairs[:, 2]], 1)
    put("composite_all_pairs", composite(filled.nanmean(0)), composite(bootstrap_means(filled, pair_draws)))
    summary["pictures"] = int((~of_pictures[:, 0].isnan()).sum())
    summary["pairs"] = len(of_pairs)
    return summary


def composite(means: Tensor) -> Tensor:
    """(retention + (1 - leak) + background) / 3 of means [..., 3]."""
    retention, leak, background = means.unbind(-1)
    return (retention + (1 - leak) + background) / 3


@torch.inference_mode()
def milliseconds(detector: nn.Module | None, images: Tensor, repeats: int = 5) -> float:
    """Median time per picture of a batch, after one call to warm up."""
    if detector is None:
        return math.nan
    times = []
    for _ in range(repeats + 1):
        _wait_for(images.device)
        start = time.perf_counter()
        detector(images)
        _wait_for(images.device)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[1:]) / len(images)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_set(data: Lesions, table: dict[str, Row], options: argparse.Namespace) -> dict[str, object]:
    """{view: {part: {row: measures}}} of one set of pictures; the parts are all, and two halves by lesion."""
    device = torch.device(options.device)
    crops = draw_crops(len(data.images), data.aspect, torch.Generator().manual_seed(options.seed))
    parts = {}
    for name, rows_of in data.parts().items():
        kept = torch.isin(data.tail, rows_of)  # partners come from the same half
        parts[name] = (
            rows_of,
            kept,
            lesion_draws([data.lesions[i] for i in rows_of.tolist()], options.replicates, options.seed),
            lesion_draws([data.lesions[i] for i in data.tail[kept].tolist()], options.replicates, options.seed),
        )
    result: dict[str, object] = {}
    steps = tqdm([(view, name) for view in VIEWS for name in table], data.name, unit="row")
    for view_name, name in steps:
        view = View(view_name, crops, device, data)
        of_pictures, of_pairs = measure(table[name], view, options.batch, options.seed)
        of_view = result.setdefault(view_name, {})
        assert isinstance(of_view, dict)
        for part, (rows_of, kept, picture_draws, pair_draws) in parts.items():
            summary = summarise(of_pictures[rows_of], of_pairs[kept], picture_draws, pair_draws)
            of_view.setdefault(part, {})[name] = summary
    return result


def markdown(results: dict[str, object], milliseconds_of: dict[str, float]) -> str:
    """A table for each set, view and part."""
    lines = []
    for data, view, part, of_rows in _walk(results):
        any_row = next(iter(of_rows.values()))
        lines += [
            f"### {data}: {view}; {part}",
            "",
            f"{any_row['pictures']} pictures with an AUROC, {any_row['pairs']} pairs.",
            "",
            f"| {' | '.join(('detector', *COLUMNS, 'ms'))} |",
            "|---" * (len(COLUMNS) + 2) + "|",
        ]
        for name, row in of_rows.items():
            cells = [_with_interval(row[key]) if key in INTERVALS else _plain(row[key]) for key in COLUMNS.values()]
            spent = "" if math.isnan(milliseconds_of[name]) else f"{milliseconds_of[name]:.1f}"
            lines.append(f"| {' | '.join((name, *cells, spent))} |")
        lines.append("")
    return "\n".join(lines)


def _walk(results: dict[str, object]) -> Iterator[tuple[str, str, str, dict[str, dict[str, object]]]]:
    for data, views in results.items():
        assert isinstance(views, dict)
        for view, parts in views.items():
            for part, of_rows in parts.items():
                yield data, view, part, of_rows


def _plain(measure: object) -> str:
    assert isinstance(measure, dict)
    return f"{measure['value']:.3f}"


def _with_interval(measure: object) -> str:
    assert isinstance(measure, dict)
    low, high = measure["interval"]
    return f"{measure['value']:.3f} ({low:.3f}-{high:.3f})"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", nargs="+", choices=tuple(READERS), help="default: what the environment points at")
    parser.add_argument("--pictures", type=int, help="so many of each set, drawn at random; default: all")
    parser.add_argument("--rows", nargs="+", choices=tuple(rows()), help="default: all")
    parser.add_argument("--size", type=int, default=224, help="pixels a side (%(default)s), a multiple of 16")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replicates", type=int, default=1000, help="resamples of the lesions (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/fidelity"))


def run(options: argparse.Namespace) -> None:
    """Measure, print the tables, write them."""
    table = {name: row for name, row in rows().items() if options.rows is None or name in options.rows}
    for row in table.values():
        if row.detector is not None:
            row.detector.to(options.device).eval()
    results: dict[str, object] = {}
    spent: dict[str, float] = {}
    for name in options.data or available():
        data = READERS[name](options.size, options.pictures, options.seed)
        if not spent:
            some = data.images[:32].to(options.device)
            spent = {row_name: milliseconds(row.detector, some) for row_name, row in table.items()}
        results[data.name] = measure_set(data, table, options)
    text = markdown(results, spent)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    report = {
        **describe_run(torch.device(options.device)),
        "seed": options.seed,
        "replicates": options.replicates,
        "size": options.size,
        "milliseconds": {name: None if math.isnan(value) else value for name, value in spent.items()},
        "results": results,
    }
    (options.out / "fidelity.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (options.out / "fidelity.md").write_text(text, encoding="utf-8")
