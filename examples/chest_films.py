"""Does a mix break a shortcut? Made-up chest films whose corner marker tells the class, until the test.

python examples/chest_films.py --json films.json      # five small networks for each of three seeds, minutes on a core

Trained on films whose marker is in the corner of their class 19 times out of 20; tested on such films, and on films
whose marker says nothing. The mixes get the masks of the lungs: what has to stay. All arms have the same loss, batches
and steps.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import longtail_mix
from longtail_mix import BalancedSoftmaxLoss, CutMix, InBatch, MixedTarget, OtherSkin, RandomPairing, Sometimes, SPMix
from longtail_mix.data import SyntheticFilms, synthetic_films

COUNTS = (500, 300, 60, 40)
SIZE, CUE, EPOCHS, BATCH = 48, 0.95, 12, 50

# (films, labels, masks of the lungs) -> films, target
Mixing = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | MixedTarget]]


def arms() -> dict[str, Mixing]:
    cutmix = InBatch(Sometimes(CutMix(), 0.5), RandomPairing())
    other_skin = InBatch(Sometimes(OtherSkin(), 0.5), RandomPairing())
    return {
        "no mix": lambda films, labels, _: (films, labels),
        "CutMix, every other film": lambda films, labels, _: cutmix(films, labels),
        "SPMix, every tail film": SPMix(COUNTS, patch_size=4),
        "SPMix, every film": SPMix(patch_size=4, pairing=RandomPairing()),
        "OtherSkin, every other film": other_skin,
    }


def small_net() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in ((1, 12), (12, 24), (24, 48)):
        conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(48 * (SIZE // 8) ** 2, len(COUNTS)))


def train(data: SyntheticFilms, mix: Mixing, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model, criterion = small_net(), BalancedSoftmaxLoss(COUNTS)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.01)
    steps = EPOCHS * -(-len(data.labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(data.labels)).split(BATCH):
            films, target = mix(data.images[rows] / 255, data.labels[rows], data.masks[rows].float())
            loss = criterion(model(films - 0.5), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def judge(model: nn.Module, data: SyntheticFilms) -> dict[str, float]:
    predicted = model(data.images / 255 - 0.5).argmax(1)
    recall = [(predicted[data.labels == k] == k).float().mean() for k in range(len(COUNTS))]
    wrong_corner = data.markers != data.labels
    follows = (predicted == data.markers)[wrong_corner].float().mean() if wrong_corner.any() else torch.tensor(0.0)
    return {
        "balanced accuracy": round(100 * float(sum(recall)) / len(recall), 2),
        "mean recall of the two rare classes": round(50 * float(recall[-1] + recall[-2]), 2),
        "predictions that follow a wrong marker": round(100 * float(follows), 2),
    }


def run(seeds: range) -> dict[str, dict[str, list[dict[str, float]]]]:
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    for seed in seeds:
        train_set = synthetic_films(COUNTS, SIZE, 3 * seed, CUE)
        tests = {
            "marker as in training": synthetic_films([150] * 4, SIZE, 3 * seed + 1, CUE),
            "marker that says nothing": synthetic_films([150] * 4, SIZE, 3 * seed + 2, 0.0),
        }
        for name, mix in arms().items():
            model = train(train_set, mix, seed)
            for where, data in tests.items():
                judged = judge(model, data)
                results.setdefault(name, {}).setdefault(where, []).append(judged)
                print(f"seed {seed}, {name}, {where}: {judged}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = run(range(options.seeds))
    report: dict[str, Any] = {
        "command": f"python examples/chest_films.py --seeds {options.seeds} --json ...",
        "versions": {"longtail_mix": longtail_mix.__version__, "torch": torch.__version__},
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} thread(s)",
        "train films": COUNTS,
        "seeds": list(range(options.seeds)),
        "results": results,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
