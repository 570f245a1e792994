"""Which detector finds the lesion, and what a mix made with it keeps.

On ISIC 2018 (ISIC2018_ROOT) and ISIC 2017 (ISIC2017_ROOT), on made-up dermoscopy where neither is there: AUROC and
best-threshold IoU of each detector against the lesion masks; retention, leak, background, composite of the mix;
milliseconds per image. Three views: whole frames; random resized crops with the map computed on the crop; the same
crops with the map computed on the whole frame and carried through the crop. Writes fidelity.json and fidelity.md.

The file is written after each detector, and a second run with the same options adds what is not yet in it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.baselines import CentrePrior, Constant, ConstantRatio, Darkness
from benchmarks.bootstrap import lesion_draws
from benchmarks.crops import draw_crops
from benchmarks.fidelity_data import READERS, Lesions, available
from benchmarks.fidelity_table import OfRow, OfSet, markdown, summarise_images, summarise_pairs
from benchmarks.fidelity_views import Frames, measure_images, measure_pairs
from benchmarks.metadata import describe_run
from longtail_mix import (
    BooleanMapSaliency,
    FidelityRatio,
    MeanSaliency,
    PaperRatio,
    ReleasedRatio,
    SaliencyMap,
    SegmentationSaliency,
    SkinContrastSaliency,
    SpectralResidualSaliency,
)
from reproduction.training.atomic_files import write_text

WITH_SEGMENTER = ("segmenter", "segmenter and skin contrast", "segmenter and skin contrast, centre prior")
SUMMARY = "detectors against lesion masks, and what their mixes keep"


class Detector(NamedTuple):
    """A detector and the rows of the table that rest on its maps: what turns two of them into a ratio."""

    module: nn.Module | None  # None stands for the lesion masks themselves
    recipes: dict[str, nn.Module]


def detectors(segmenter: Path | None = None) -> dict[str, Detector]:
    """The detectors of the table and their rows: add one here."""

    def both(name: str, module: nn.Module | None) -> Detector:
        return Detector(module, {name: PaperRatio(), f"{name}; fidelity ratio": FidelityRatio()})

    def paper(name: str, module: nn.Module) -> Detector:
        return Detector(module, {name: PaperRatio()})

    fine_grained: dict[str, nn.Module] = {
        "fine-grained": PaperRatio(),
        "fine-grained; released ratio": ReleasedRatio(),
        "fine-grained; fidelity ratio": FidelityRatio(),
    }
    table = {
        "plain mixup": Detector(Constant(), {"plain mixup": ConstantRatio(0.5)}),
        "fine-grained": Detector(SaliencyMap(), fine_grained),
    }
    for name, module in {
        "spectral residual": SpectralResidualSaliency(),
        "boolean map": BooleanMapSaliency(),
        "darkness": Darkness(),
        "centre prior": CentrePrior(),
    }.items():
        table[name] = paper(name, module)
    for name, module in {
        "skin contrast": SkinContrastSaliency(),
        "skin contrast, centre prior": SkinContrastSaliency(center_prior=1.0),
        "skin contrast, centre prior, margin": SkinContrastSaliency(center_prior=1.0, margin=1 / 28),
    }.items():
        table[name] = both(name, module)
    if segmenter is not None:
        learned = SegmentationSaliency(load_network(segmenter))
        with_skin = MeanSaliency(learned, SkinContrastSaliency())
        with_prior = MeanSaliency(learned, SkinContrastSaliency(center_prior=1.0))
        for name, module in zip(WITH_SEGMENTER, (learned, with_skin, with_prior), strict=True):
            table[name] = both(name, module)
    table["true masks"] = both("true masks", None)
    return table


def load_network(path: Path) -> nn.Module:
    """The network that examples/segmenter.py wrote."""
    from reproduction.networks.segmenters import load_segmenter  # here, as it brings torchvision

    return load_segmenter(path)


@torch.inference_mode()
def milliseconds(module: nn.Module | None, images: Tensor, repeats: int = 5) -> float | None:
    """Median time per image of a batch, after one call to warm up."""
    if module is None:
        return None
    times = []
    for _ in range(repeats + 1):
        _wait_for(images.device)
        start = time.perf_counter()
        module(images)
        _wait_for(images.device)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[1:]) / len(images)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Part(NamedTuple):
    """All images of a set or one half of them, and how often each is drawn in each resample."""

    images: Tensor  # rows
    pairs: Tensor  # bool [M]; partners come from the same half
    image_draws: Tensor
    pair_draws: Tensor


def parts_of(data: Lesions, replicates: int, seed: int) -> dict[str, Part]:
    """All, and the two halves by lesion; of few images, those that have a pair."""

    def draws(rows: Tensor) -> Tensor:
        return lesion_draws([data.lesions[i] for i in rows.tolist()], replicates, seed)

    parts = {}
    for name, rows in data.parts().items():
        pairs = torch.isin(data.tail, rows)
        if pairs.any():
            parts[name] = Part(rows, pairs, draws(rows), draws(data.tail[pairs]))
    return parts


@torch.inference_mode()
def measure_detector(
    detector: Detector, frames: Frames, parts: dict[str, Part], seed: int
) -> dict[str, dict[str, dict[str, OfRow]]]:
    """{view: {part: {row: measures}}} of one detector."""
    result: dict[str, dict[str, dict[str, OfRow]]] = {}
    device, batch = frames.device, frames.batch
    for view, maps, masks in frames.views(detector.module):
        of_images = measure_images(maps, masks, device, batch)
        quality = {name: summarise_images(of_images[part.images], part.image_draws) for name, part in parts.items()}
        for row, recipe in detector.recipes.items():
            of_pairs = measure_pairs(recipe, maps, masks, frames.data, device, batch, seed)
            for name, part in parts.items():
                fidelity = summarise_pairs(of_pairs[part.pairs], part.pair_draws)
                result.setdefault(view, {}).setdefault(name, {})[row] = {**quality[name], **fidelity}
    return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", nargs="+", choices=tuple(READERS), help="default: what the environment points at")
    parser.add_argument("--images", type=int, help="so many of each set, drawn at random; default: all")
    names = (*detectors(), *WITH_SEGMENTER)
    parser.add_argument("--detectors", nargs="+", choices=names, help="default: all")
    parser.add_argument("--segmenter", type=Path, help="a checkpoint of examples/segmenter.py, for its rows")
    parser.add_argument("--size", type=int, default=224, help="pixels a side (%(default)s), a multiple of 16")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replicates", type=int, default=1000, help="resamples of the lesions (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/fidelity"))


def run(options: argparse.Namespace) -> None:
    """Measure what is not there yet, print the tables, write them."""
    every = detectors(options.segmenter)
    table = {name: every[name] for name in options.detectors or every}
    for detector in table.values():
        if detector.module is not None:
            detector.module.to(options.device).eval()
    setting = {name: getattr(options, name) for name in ("size", "images", "seed", "replicates", "batch")}
    path = options.out / "fidelity.json"
    results = read_results(path, setting)
    spent: dict[str, float | None] = {}
    for name in options.data or available():
        data = READERS[name](options.size, options.images, options.seed)
        some = data.images[:32].to(options.device)
        if not spent:
            spent = {row: milliseconds(d.module, some) for d in table.values() for row in d.recipes}
        of_set = results.setdefault(data.name, {})
        missing = [d for d in table.values() if not is_measured(d, of_set)]
        if missing:
            crops = draw_crops(len(data.images), data.aspect, torch.Generator().manual_seed(options.seed))
            frames = Frames.crop(data, crops, torch.device(options.device), options.batch)
            parts = parts_of(data, options.replicates, options.seed)
            for detector in tqdm(missing, data.name, unit="detector"):
                merge(of_set, measure_detector(detector, frames, parts, options.seed))
                write(options, setting, results, spent, every)
    print(write(options, setting, results, spent, every))


def read_results(path: Path, setting: dict[str, object]) -> dict[str, OfSet]:
    """What an earlier run with the same setting measured."""
    if not path.exists():
        return {}
    report = json.loads(path.read_text(encoding="utf-8"))
    if report["setting"] != setting:
        raise ValueError(f"{path}: made with {report['setting']}, not with {setting}; choose another --out")
    results: dict[str, OfSet] = report["results"]
    return results


def is_measured(detector: Detector, of_set: OfSet) -> bool:
    """Whether all rows of a detector are there; a set is written only when all its views are."""
    return any(detector.recipes.keys() <= of_rows.keys() for parts in of_set.values() for of_rows in parts.values())


def merge(of_set: OfSet, new: OfSet) -> None:
    """Add the rows of one detector."""
    for view, parts in new.items():
        for part, of_rows in parts.items():
            of_set.setdefault(view, {}).setdefault(part, {}).update(of_rows)


def write(
    options: argparse.Namespace,
    setting: dict[str, object],
    results: dict[str, OfSet],
    spent: dict[str, float | None],
    every: dict[str, Detector],
) -> str:
    """Both files, each under another name first; the rows in the order of the table. Returns the tables."""
    order = [row for detector in every.values() for row in detector.recipes]
    for views in results.values():
        for parts in views.values():
            for part, of_rows in parts.items():
                parts[part] = dict(sorted(of_rows.items(), key=lambda row: order.index(row[0])))
    text = markdown(results, spent)
    report = {
        **describe_run(torch.device(options.device)),
        "setting": setting,
        "milliseconds": spent,
        "results": results,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in (("fidelity.json", json.dumps(report, indent=1) + "\n"), ("fidelity.md", text)):
        write_text(options.out / name, content)
    return text
