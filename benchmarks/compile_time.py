"""How long the compiler takes over a mix, and how often it starts again when the batch changes its size."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch._dynamo.utils import counters

from benchmarks.metadata import describe_run
from benchmarks.speed.cases import recommended
from benchmarks.speed.inputs import CLASS_COUNTS
from longtail_mix import SPMix

SUMMARY = "seconds to compile SPMix, and recompilations over changing batch sizes"
BATCHES = (64, 48, 33, 17, 64, 2)
MIXES = {"SPMix, paper": lambda: SPMix(CLASS_COUNTS), "SPMix, recommended": recommended}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pixels", type=int, default=224, help="a side, a multiple of 16 (%(default)s)")
    parser.add_argument("--backend", default="inductor", help="(%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/compile.json"), help="(%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Measure, print, write."""
    device = torch.device(options.device)
    found = {name: measure(make().to(device), options.pixels, options.backend, device) for name, make in MIXES.items()}
    for name, one in found.items():
        seconds = ", ".join(f"{batch}: {s:.2f}" for batch, s in zip(BATCHES, one["seconds"], strict=True))
        print(f"{name}: seconds of the first call of each batch {seconds}; graphs {one['graphs']}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    about = {**describe_run(device), "backend": options.backend, "pixels": options.pixels, "batches": BATCHES}
    options.out.write_text(json.dumps({**about, "mixes": found}, indent=1) + "\n")


def measure(mix: SPMix, pixels: int, backend: str, device: torch.device) -> dict[str, Any]:
    """Seconds of the first call with each size of batch, and how many graphs there are after it."""
    torch._dynamo.reset()
    counters.clear()
    compiled = torch.compile(mix, fullgraph=True, backend=backend)
    seconds, graphs = [], []
    for batch in BATCHES:
        images, labels = torch.rand(batch, 3, pixels, pixels, device=device), torch.arange(batch, device=device) % 7
        start = time.perf_counter()
        compiled(images, labels)
        seconds.append(time.perf_counter() - start)
        graphs.append(counters["stats"]["unique_graphs"])
    return {"seconds": seconds, "graphs": graphs}
