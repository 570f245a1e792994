"""How each argument of a public name is drawn: by its name, as the same name means the same thing nearly everywhere.

`ARGUMENTS` has a valid argument for each name that parameters have. `HERE` has those of one public name, where it means
something else there. `calls.py` says which methods of a class are called.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset

import longtail_mix as lm
from longtail_mix import data, functional, losses, sampling
from tests.fuzz.batch import Batch

Draw = Callable[[Batch], Any]


def images(b: Batch) -> Tensor:
    if b.rarely():
        return b.whole(b.size, 3, b.height, b.width, high=256, dtype=torch.uint8)
    return b.uniform(b.size, 3, b.height, b.width)


def any_images(b: Batch) -> Tensor:
    return b.uniform(b.size, b.channels, b.height, b.width) if b.often() else images(b)


def features(b: Batch) -> Tensor:
    return b.uniform(b.size, b.dim, b.rows, b.columns, low=-2, high=2)


def tokens(b: Batch) -> Tensor:
    return b.uniform(b.size, b.rows * b.columns, b.dim, low=-2, high=2)


def vectors(b: Batch) -> Tensor:
    return b.uniform(b.size, b.dim, low=-2, high=2)


def maps(b: Batch) -> Tensor:
    return b.uniform(b.size, 1, b.height, b.width)


def grids(b: Batch) -> Tensor:
    return b.uniform(b.size, 1, b.rows, b.columns)


def masks(b: Batch) -> Tensor:
    return b.flags(b.size, 1, b.height, b.width)


def shares(b: Batch) -> Tensor:
    return b.uniform(b.size)


def labels(b: Batch) -> Tensor:
    return b.whole(b.size, high=b.classes)


def labels_here(b: Batch) -> Tensor:
    """Of a data set, which lies in memory."""
    device, b.device = b.device, "cpu"
    found, b.device = labels(b), device
    return found


def long_labels(b: Batch) -> Tensor:
    return b.whole(b.size, high=b.classes, dtype=torch.int64)


def logits(b: Batch) -> Tensor:
    return b.uniform(b.size, b.classes, low=-4, high=4)


def target(b: Batch) -> Any:
    kind = b.pick("labels", "labels", "shares", "mixed")
    if kind == "labels":
        return labels(b)
    if kind == "shares":
        return b.uniform(b.size, b.classes, low=0.5).double().softmax(1).to(b.dtype).to(b.device)
    return lm.MixedTarget(labels(b), labels(b), shares(b))


def counts(b: Batch) -> Any:
    numbers = [b.pick(5, 1, 900, 40) for _ in range(b.classes)]
    kind = b.pick("list", "tuple", "tensor", "array")
    if kind == "tensor":
        return torch.tensor(numbers)
    return {"list": list, "tuple": tuple, "array": np.array}[kind](numbers)


def counts_with_zeros(b: Batch) -> Any:
    numbers = [5, *[b.pick(5, 0, 900) for _ in range(b.classes - 1)]]
    return numbers if b.often() else torch.tensor(numbers)


def counts_tensor(b: Batch) -> Tensor:
    return b.whole(b.classes, high=9, dtype=torch.int64) + 1


def index(b: Batch) -> Tensor:
    return b.whole(b.size, high=b.size, dtype=b.pick(torch.int64, torch.int32))


def generator(b: Batch) -> Any:
    return b.generator() if b.often() else None


def boxes(b: Batch) -> Tensor:
    low = b.whole(b.size, 2, high=4, dtype=torch.int64)
    return torch.cat([low, low + 1 + b.whole(b.size, 2, high=4, dtype=torch.int64)], 1)


def record(b: Batch) -> lm.MixRecord:
    mask = b.pick(grids(b).to(torch.float32), b.flags(b.size, 1, b.rows, b.columns))
    return lm.MixRecord(mask, shares(b).to(torch.float32), partner=b.whole(b.size, high=b.size, dtype=torch.int64))


def rows_of_boxes(b: Batch) -> list[Tensor]:
    """Two boxes for each image."""
    return [torch.cat([low, low + 1], 1) for low in (b.uniform(2, 2, high=9) for _ in range(b.size))]


def inner_boxes(b: Batch) -> Tensor:
    return torch.tensor([[0, 0, 1, 1], [0, 0, b.width, b.height]])[: b.pick(1, 2, 0)].to(b.device)


def normalisation(b: Batch) -> Any:
    return b.pick(None, None, None, (0.5, 0.5, 0.5), [0.485, 0.456, 0.406], torch.full((3,), 0.5), np.full(3, 0.5))


def detector(b: Batch) -> nn.Module:
    return b.pick(lm.SpectralResidualSaliency(), lm.SaliencyMap())


def pairing(b: Batch) -> nn.Module:
    return b.pick(
        lm.RandomPairing(),
        lm.ShiftedPairing(),
        lm.BalancedPairing(),
        lm.HeadTailPairing([900] * (b.classes - 1) + [5, 5]),
    )


def mix(b: Batch) -> nn.Module:
    return b.pick(lm.MixUp(), lm.CutMix(0.5), lm.CMO(), lm.SaliencyMix())


def weighting(b: Batch) -> Any:
    def own(losses: Tensor, _shares: Tensor) -> Tensor:
        return torch.ones_like(losses)

    pace = lm.Pace(3, 8).to(b.device)
    choices = (None, None, own, lm.ClassWeights(torch.rand(b.classes)).to(b.device), lm.HardExamples(pace))
    return b.pick(*choices, lm.SelfPaced(pace), lm.ClassWiseHardExamples(pace))


def schedule_of_weights(b: Batch) -> nn.Module:
    return b.pick(lm.ClassWeights(torch.rand(b.classes)).to(b.device), lm.HardExamples(lm.Pace(3, 8).to(b.device)))


def spmix(b: Batch) -> Any:
    pair = b.pick(lm.BalancedPairing(), None)
    return lm.SPMix(pairing=pair, recipe=b.pick(lm.PaperRatio(b.patch), lm.FidelityRatio(b.patch)))


class SmallNet(nn.Module):
    """A layer that Grad-CAM can look at and a mix can happen behind, and a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images).relu().mean((2, 3)))
        return logits


def network(b: Batch) -> nn.Module:
    return SmallNet(b.classes).to(b.device)


def segmenter(b: Batch) -> nn.Module:
    return nn.Conv2d(3, b.pick(1, 2), 1).to(b.device)


def whole(*choices: int) -> Draw:
    return lambda b: b.pick(*choices)


number = whole  # the same, for a reader who expects fractions


@cache
def image_files() -> tuple[Path, ...]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-images-"))
    for name, mode, colour in (("a", "RGB", (200, 0, 9)), ("b", "L", 255), ("c", "P", 3)):
        Image.new(mode, (6, 5), colour).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return tuple(folder / f"{name}.png" for name in "abc")


@cache
def cache_folder() -> str:
    return tempfile.mkdtemp(prefix="fuzz-cache-")


def lesions(b: Batch) -> Any:
    ids = [f"lesion {b.pick(1, 2, 3, 4, 5, 6, 7)}" for _ in range(b.size)]
    return ids if b.often() else tuple(ids)


def dataset(b: Batch) -> Any:
    told = TensorDataset(torch.zeros(b.size, 1), labels_here(b))
    return b.pick(told, Subset(told, list(range(b.size))), ConcatDataset([told, told]))


def loader(b: Batch) -> Any:
    rows = TensorDataset(torch.arange(6))
    return DataLoader(rows, b.pick(2, 1, 3), sampler=sampling.ShuffledSampler(6, seed=b.pick(0, 1)))


def probabilities(b: Batch) -> Any:
    even = torch.full((b.classes,), 1 / b.classes, dtype=torch.float64)
    return b.pick(even, even.tolist(), sampling.ProgressiveProbabilities([3] * b.classes, 4))


def state(b: Batch) -> dict[str, Any]:
    return {"seed": 0, "num_samples": 6, "num_replicas": 1, "epoch": b.pick(0, 3), "position": b.pick(0, 2, 6)}


def own_normalise(weights: Tensor, _counts: Tensor) -> Tensor:
    return weights / weights.sum()


@cache
def table_file() -> str:
    """A table of the images, two sides."""
    file = image_files()[0].parent / "table.csv"
    file.write_text("image,label,group,side\na.png,x,1,train\nb.png,y,2,test\nc.png,x,3,test\n", encoding="utf-8")
    return str(file)


def samples(b: Batch) -> list[Any]:
    return [(torch.rand(3, b.height, b.width), b.pick(*range(b.classes))) for _ in range(max(b.size, 1))]


def groups(b: Batch) -> Any:
    return lm.many_medium_few([9] * b.classes)


def titles(b: Batch) -> Any:
    return b.pick(None, [f"row {i}" for i in range(b.size)])


SHARE = number(0.5, 0.0, 1.0, 0.25)
POSITIVE = number(1.0, 0.5, 2, 0.1)
AT_LEAST_ZERO = number(1.0, 0.0, 0.5, 2)

ARGUMENTS: dict[str, Draw] = {
    # images, features, maps
    **dict.fromkeys(("images", "tail", "head"), images),
    **dict.fromkeys(("first", "second"), any_images),
    "image": lambda b: Image.new(b.pick("RGB", "L"), (b.width + 1, b.height)),
    **dict.fromkeys(("features",), features),
    **dict.fromkeys(("saliency", "maps", "tail_map", "head_map", "first_map", "second_map"), maps),
    **dict.fromkeys(("mask", "tail_mask", "head_mask", "masks"), masks),
    **dict.fromkeys(("cam", "tail_cam", "head_cam", "ratio"), grids),
    "outside": maps,
    "has_mask": lambda b: b.flags(b.size),
    "blocks": lambda b: b.uniform(b.size, b.rows * b.columns, b.channels, b.patch, b.patch),
    # labels and what is said about classes
    **dict.fromkeys(("labels", "first_labels", "second_labels", "tail_labels", "head_labels", "other"), labels),
    "target": target,
    "lam": shares,
    **dict.fromkeys(("class_counts",), counts),
    "class_weights": lambda b: b.uniform(b.classes),
    "weights": lambda b: b.uniform(b.classes),
    **dict.fromkeys(("is_tail", "is_head"), lambda b: b.flags(b.classes)),
    **dict.fromkeys(("tail_classes", "head_classes"), lambda b: b.pick(None, (0,), [b.classes - 1])),
    "classes": lambda b: (0, b.classes),
    "groups": lesions,
    "num_classes": lambda b: b.classes,
    "predictions": lambda b: b.pick(labels, logits)(b),
    "more_than": whole(100, 5),
    "fewer_than": whole(20, 3),
    # networks, losses
    **dict.fromkeys(("logits", "other_logits"), logits),
    "losses": lambda b: b.uniform(b.size, high=3),
    "weight": lambda b: b.uniform(b.classes, b.dim, low=-1, high=1),
    **dict.fromkeys(("queries",), vectors),
    "key_labels": target,
    "queue": lambda b: b.uniform(5, b.dim),
    "queue_labels": lambda b: b.whole(5, high=b.classes, dtype=torch.int64) - b.pick(0, 1),
    "prototypes": lambda b: b.uniform(b.classes, b.dim, low=-1, high=1),
    **dict.fromkeys(("classification", "attention"), lambda b: b.uniform()),
    "weighting": weighting,
    "reduction": lambda b: b.pick("mean", "none", "sum"),
    "label_smoothing": SHARE,
    **dict.fromkeys(("gamma", "max_margin", "strength", "noise", "power"), AT_LEAST_ZERO),
    "beta": number(0.9, 0.0, 0.9999, None),
    "tau": number(0.7, 0.5, 1.0),
    "temperature": POSITIVE,
    "scale": POSITIVE,
    "shape": lambda b: b.pick(losses.concave, losses.convex, losses.linear),
    "frequency": lambda b: b.uniform(b.classes),
    "normalise": lambda b: b.pick(None, lm.mean_one_over_classes, lm.mean_one_over_images, own_normalise),
    "criterion": lambda b: b.pick(None, lm.FocalLoss()),
    "momentum": number(0.9, 0.0, 1.0, 0.999),
    **dict.fromkeys(("query", "module", "model"), network),
    **dict.fromkeys(("layer", "target_layer"), lambda b: b.pick("body")),
    "create_graph": lambda b: b.pick(False, True),
    "reshape": lambda _: None,
    "detectors": detector,
    "per_sample_criterion": lambda _: lm.FocalLoss(reduction="none"),
    # options of mixes and maps
    **dict.fromkeys(("mean", "std"), normalisation),
    "alpha": number(0.8, 1.0, 0.5, 0.1),
    **dict.fromkeys(("patch_size", "block_size"), lambda b: b.patch),
    "kappa": number(3.0, 1.5, 9),
    "probability": SHARE,
    "threshold": lambda b: b.pick(0.5, 0.2, functional.otsu_threshold),
    **dict.fromkeys(("largest_only", "cut"), lambda b: b.pick(True, False)),
    "record": record,
    "min_area": number(0.005, 0.0, 0.3),
    "num_prefix_tokens": lambda b: b.pick(0),
    "center_prior": AT_LEAST_ZERO,
    "margin": number(0.0, 0.035, 0.25),
    "p": number(6.0, 1, 2.5),
    **dict.fromkeys(("move", "edge", "place"), SHARE),
    "decay": POSITIVE,
    "cells": whole(4, 1, 2),
    "paste": whole(1),
    "smallest": number(0.25, 0.1),
    "largest": number(0.5, 0.8),
    "centre": lambda b: b.uniform(b.size, 2),
    "spread": lambda b: b.uniform(b.size, low=0.5, high=4),
    "mixes": lambda b: [lm.MixUp(), lm.CutMix()][: b.pick(2, 1)],
    "each_image": lambda b: b.pick(True, False),
    "levels": whole(3, 2, 4),
    "tokens": whole(4, 1, 7),
    "stays": SHARE,
    "eta": AT_LEAST_ZERO,
    "epsilon": POSITIVE,
    "iterations": whole(20, 1, 3),
    "area": SHARE,
    "align": lambda b: b.pick(None, lm.AlignFeatures()),
    "xi": number(0.8, 0, None),
    "degrees": number(180.0, 0, 30),
    "hide": lambda b: b.pick(True, False),
    "keep_tone": lambda b: b.pick(True, False),
    "lesion": masks,
    "angle": lambda b: b.uniform(b.size, low=-4, high=4),
    "height": lambda b: b.height,
    "width": lambda b: b.width,
    "depth": lambda _: None,
    "centres": lambda b: b.whole(b.size, 2, high=b.patch, dtype=torch.int64),
    "boxes": boxes,
    "tail_index": lambda b: b.pick(None, index) and index(b),
    "head_index": lambda b: index(b) if b.often() else None,
    "partner": lambda b: b.whole(b.size, high=b.size, dtype=torch.int64),
    "generator": generator,
    "pairing": pairing,
    "mix": mix,
    "recipe": lambda b: b.pick(lm.PaperRatio(b.patch), lm.ReleasedRatio(b.patch), lm.FidelityRatio(b.patch)),
    "spmix": spmix,
    "label_weight": lambda b: b.pick(functional.semantic_weight, functional.area_weight),
    "collate": lambda _: torch.utils.data.default_collate,
    "samples": samples,
    # curricula
    "count": lambda b: b.pick(1, 0, b.size, torch.tensor(1)),
    "counts": lambda b: torch.arange(b.size + 1, device=b.device) // 2,
    "pace": lambda b: lm.Pace(4, 8).to(b.device),
    **dict.fromkeys(("epochs", "batch_size"), whole(4, 1, 9)),
    **dict.fromkeys(("epoch", "start_epoch", "position"), whole(0, 1, 3)),
    # data and samplers
    "paths": lambda b: list(image_files()[: b.pick(3, 1, 0)]),
    "size": whole(8, 4, 1),
    "fit": lambda b: b.pick(data.squash, data.center_crop_square),
    "cache_dir": lambda _: cache_folder(),
    "workers": whole(1, 2),
    "progress": lambda _: False,
    "root": lambda b: b.pick(None, cache_folder(), "/nowhere"),
    "lesions": lesions,
    "dataset": dataset,
    "key": lambda b: b.pick(None),
    "sampler": lambda b: sampling.ShuffledSampler(6, seed=b.pick(0, 1)),
    "folds": whole(2, 3),
    "file": lambda _: table_file(),
    "label": lambda _: "label",
    "group": lambda b: b.pick(None, "group"),
    "side": lambda b: b.pick(None, "side"),
    "sides": lambda b: [b.pick("train", "test") for _ in range(b.size)],
    "suffix": lambda _: "",
    "allow_leaks": lambda b: b.pick(False, True),
    "keys": vectors,
    "follows": lambda _: None,
    "seed": whole(0, 1, -5, 2**31),
    **dict.fromkeys(("val_per_class", "test_per_class"), whole(1, 0)),
    "test_fraction": number(0.2, 0.5),
    "val_fraction": number(0.0, 0.2),
    "max_count": whole(100, 7),
    "imbalance": number(5.0, 1, 7),
    **dict.fromkeys(("background_cue", "marker_cue"), SHARE),
    "num_samples": lambda b: b.pick(6, 9),
    "probabilities": probabilities,
    "rank": lambda b: b.pick(None),
    "num_replicas": lambda b: b.pick(None),
    "state": state,
    "in_features": lambda b: b.dim,
    "dim": lambda b: b.dim,
    "titles": titles,
}

# Where a name means something else.
HERE: dict[str, dict[str, Draw]] = {
    "CosineClassifier.forward": {"features": vectors},
    "FeatureQueue.push": {"features": vectors},
    "LabelAwareSmoothingLoss": {"head": SHARE, "tail": SHARE, "class_counts": counts_with_zeros},
    "label_aware_smoothing_loss": {"head": SHARE, "tail": SHARE, "class_counts": counts_with_zeros},
    **{key: {"lam": AT_LEAST_ZERO, "alpha": AT_LEAST_ZERO} for key in ("LADELoss", "lade_loss")},
    **{key: {"lam": AT_LEAST_ZERO, "outside": lambda _: None} for key in ("CAREAttentionLoss",)},
    "care_attention_loss": {"lam": AT_LEAST_ZERO},
    "align_features": {"first": tokens, "second": tokens},
    "AlignFeatures.forward": {"tail": features, "head": features},
    "ClassAttention": {
        **{key: (lambda b: b.pick("body")) for key in ("query", "key")},
        **{key: whole(1) for key in ("num_heads", "num_prefix_tokens")},
    },
    "transmix": {
        "target": lambda b: lm.MixedTarget(labels(b), labels(b), shares(b).to(torch.float32)),
        "attention": lambda b: b.uniform(b.size, b.rows * b.columns),
    },
    "PuzzleMix": {"blocks": lambda b: b.pick(b.patch, 1), "beta": AT_LEAST_ZERO},
    "CARELoss": {"attention": lambda _: None},
    "CARELoss.forward": {"labels": long_labels, "logits": logits},
    **{key: {"beta": AT_LEAST_ZERO} for key in ("PaCoLoss", "paco_loss")},
    **{
        key: {"tail": maps, "head": maps}
        for key in (
            "MergedSaliency.forward",
            "merged_saliency",
            "PaperRatio.forward",
            "paper_ratio",
            "ReleasedRatio.forward",
        )
    },
    **{key: {"tail": maps, "head": maps} for key in ("released_ratio", "FidelityRatio.forward", "fidelity_ratio")},
    **{key: {"mask": grids} for key in ("area_weight", "semantic_weight")},
    "to_blocks": {"images": any_images},
    "scale_boxes": {"boxes": inner_boxes},
    "box_masks": {"boxes": lambda b: [inner_boxes(b) for _ in range(b.pick(1, 2))]},
    "lesion_probability": {
        "logits": lambda b: b.uniform(b.size, b.pick(1, 2), b.rows, b.columns, low=-9, high=9),
        "size": lambda b: (b.height, b.width),
    },
    "mean_saliency": {"maps": lambda b: [maps(b), maps(b)]},
    "remix": {"class_counts": counts_tensor},
    **{key: {"saliency": detector} for key in ("LesionRegions", "SPMix", "SaliencyMix", "released")},
    **{key: {"class_counts": counts_tensor} for key in ("mean_one_over_classes", "mean_one_over_images")},
    "SegmentationSaliency": {"model": segmenter},
    "DeferredWeighting": {"weighting": schedule_of_weights},
    "Sometimes.forward": {"maps": lambda _: None},
    "TwoStreamLoader": {"first": loader, "second": loader},
    "attention_panel": {"maps": lambda b: {"before": grids(b)}},
    "pair_panel": {"spmix": spmix},
    "fmix_mask": {"noise": lambda b: b.uniform(b.size, 2, b.height, b.width // 2 + 1, low=-2, high=2)},
    "OneOf": {"weights": lambda _: None},
    "Scheduled": {"probability": lambda _: lambda _epoch: 0.5},
    "CopyPaste": {"scale": lambda b: b.pick((0.8, 1.25), [1, 1], (0.1, 9.0)), "threshold": SHARE, "saliency": detector},
    "SkinSwap": {"threshold": SHARE, "saliency": detector},
    "carry_masks": {"masks": lambda b: b.pick(masks(b), maps(b)), "others": lambda _: None},
    "carry_boxes": {
        "boxes": rows_of_boxes,
        "labels": lambda b: [b.whole(2, high=b.classes) for _ in range(b.size)],
        "others": lambda _: None,
        "other_labels": lambda _: None,
        "size": lambda b: (b.height, b.width),
        "min_visible": SHARE,
    },
    "carry_points": {
        "points": lambda b: [b.uniform(2, 3, 2, high=9) for _ in range(b.size)],
        "others": lambda _: None,
        "size": lambda b: (b.height, b.width),
    },
    "OtherSkin": {"least": SHARE, "saliency": detector},
    "fill_in": {"known": maps},
    "placed_grid": {
        "scale": lambda b: b.uniform(b.size, low=0.3, high=3),
        "place": lambda b: b.uniform(b.size, 2),
    },
    "long_tail_metrics": {"groups": groups},
    "read_table": {"image": lambda _: "image", "root": lambda _: None, "classes": lambda b: b.pick(None, ["x", "y"])},
    "read_folder": {"root": lambda b: b.pick(cache_folder(), "/nowhere"), "classes": lambda b: b.pick(None, ["x"])},
    "ResumableLoader": {"dataset": lambda _: TensorDataset(torch.arange(6))},
    "MixCollate": {"mix": lambda b: lm.InBatch(mix(b), pairing(b)), "keys": lambda _: ("pixel_values", "labels")},
    "SoftTargetMix": {"mix": lambda b: lm.InBatch(mix(b), pairing(b))},
    "long_tail_subset": {"class_counts": lambda b: [1] * b.classes},
    "synthetic_films": {"class_counts": lambda b: [b.pick(1, 2)] * min(b.classes, 4), "size": whole(32)},
    "synthetic_dermoscopy": {"class_counts": lambda b: [b.pick(1, 2)] * b.classes, "size": whole(32)},
    "load_masks": {"paths": lambda b: [image_files()[1]] * b.pick(1, 2)},
    "ShuffledSampler": {"size": whole(6)},
    "ClassSampler": {"labels": lambda b: torch.arange(b.classes).repeat(2), "num_samples": lambda b: b.pick(None, 6)},
}
