"""How time and memory grow with the batch, the side of an image, the number of classes and the patch size.

Each size is timed in a process of its own, forked from one that has loaded everything, one size after the other and
over again, so that what disturbs the machine disturbs all of them. The slope is that of a line through the larger half
of the sizes on double logarithmic axes: 1 is linear in what grows, 2 for a side is linear in the pixels. Memory is the
largest resident set of the process above what it had before the calls.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.metadata import describe_run
from longtail_mix import BalancedPairing, FidelityRatio, HeadTailPairing, LesionAwareRatio, SaliencyMap, SPMix
from longtail_mix import SkinContrastSaliency as SkinContrast

SUMMARY = "time and memory over batch, side, classes and patch size, with slopes"
CALLS, ROUNDS = 3, 7
BATCHES = (1, 4, 16, 64, 256, 1024)
SIDES = (32, 64, 128, 256, 512, 1024)
CLASSES = (2, 10, 100, 1000, 10000)
PATCHES = (1, 2, 4, 8, 16, 32)
Call = Callable[[], object]


def _labels(size: int, classes: int) -> torch.Tensor:
    return torch.arange(size) % classes


def _counts(classes: int) -> list[int]:
    return [1000, *[10] * (classes - 1)]


def _spmix(batch: int, side: int, classes: int = 7, patch: int = 16) -> Call:
    images, mixer = torch.rand(batch, 3, side, side), SPMix(_counts(classes), patch)
    return lambda: mixer(images, _labels(batch, classes))


def _recommended(batch: int, side: int) -> Call:
    images = torch.rand(batch, 3, side, side)
    mixer = SPMix(saliency=SkinContrast(), pairing=HeadTailPairing(_counts(7), probability=0.5), recipe=FidelityRatio())
    return lambda: mixer(images, _labels(batch, 7))


def _saliency(batch: int, side: int) -> Call:
    images, detector = torch.rand(batch, 3, side, side), SaliencyMap()
    return lambda: detector(images)


def _ratio(batch: int, side: int, patch: int = 16) -> Call:
    maps, ratio = torch.rand(batch, 1, side, side), LesionAwareRatio(patch)
    return lambda: ratio(maps)


def _pairing(batch: int, classes: int) -> Call:
    pairing, labels = HeadTailPairing(_counts(classes)), _labels(batch, classes)
    return lambda: pairing.partners(labels)


def _balanced(batch: int, classes: int) -> Call:
    pairing, labels = BalancedPairing(), _labels(batch, classes)
    return lambda: pairing.partners(labels)


# name: what grows, its sizes, and the call for one of them
SERIES: dict[str, tuple[str, tuple[int, ...], Callable[[int], Call]]] = {
    "saliency, batch of 32 x 32": ("batch", BATCHES, lambda n: _saliency(n, 32)),
    "SPMix, batch of 32 x 32": ("batch", BATCHES, lambda n: _spmix(n, 32)),
    "SPMix recommended, batch of 32 x 32": ("batch", BATCHES, lambda n: _recommended(n, 32)),
    "pairing, batch": ("batch", BATCHES, lambda n: _pairing(n, 7)),
    "balanced pairing, batch": ("batch", BATCHES, lambda n: _balanced(n, 7)),
    "saliency, side": ("side", SIDES, lambda n: _saliency(2, n)),
    "ratio, side": ("side", SIDES, lambda n: _ratio(2, n)),
    "SPMix, side": ("side", SIDES, lambda n: _spmix(4, n)),
    "SPMix recommended, side": ("side", SIDES, lambda n: _recommended(4, n)),
    "pairing of 1024, classes": ("classes", CLASSES, lambda n: _pairing(1024, n)),
    "SPMix of 64 x 32 x 32, classes": ("classes", CLASSES, lambda n: _spmix(64, 32, n)),
    "ratio of 4 x 256 x 256, patch": ("patch", PATCHES, lambda n: _ratio(4, 256, n)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", nargs="+", choices=list(SERIES), default=list(SERIES), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="processes for each size (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/growth.json"), help="(%(default)s); the plot beside it")


def run(options: argparse.Namespace) -> None:
    """Measure, print as it comes, write and plot."""
    found: dict[str, Any] = {}
    for name in options.series:
        axis, sizes, _ = SERIES[name]
        runs: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
        for _ in range(options.rounds):
            for size in sizes:
                runs[size].append(in_a_process(name, size))
        seconds = [statistics.median(one["seconds"] for one in runs[size]) for size in sizes]
        megabytes = [statistics.median(one["megabytes"] for one in runs[size]) for size in sizes]
        found[name] = {
            "axis": axis,
            "sizes": sizes,
            "seconds": seconds,
            "megabytes": megabytes,
            "slope": slope(sizes, seconds),
        }
        print(f"{name:40} slope {found[name]['slope']:5.2f}  ", *(f"{1e3 * s:.3g}" for s in seconds), "ms", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    about = describe_run(torch.device("cpu"))
    options.out.write_text(json.dumps({**about, "rounds": options.rounds, "series": found}, indent=1) + "\n")
    plot(found, options.out.with_suffix(".png"))


def slope(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Of the least-squares line through the larger half on double logarithmic axes."""
    half = len(sizes) // 2
    x, y = [math.log(size) for size in sizes[half:]], [math.log(s) for s in seconds[half:]]
    return statistics.linear_regression(x, y).slope


def in_a_process(name: str, size: int) -> dict[str, float]:
    """Seconds of a call, the median of a few, and the memory it takes, in a process of its own."""
    processes = multiprocessing.get_context("fork")
    queue = processes.SimpleQueue()
    process = processes.Process(target=lambda: queue.put(measure(name, size)))
    process.start()
    result: dict[str, float] = queue.get()
    process.join()
    return result


def measure(name: str, size: int) -> dict[str, float]:
    """The same in this process."""
    torch.manual_seed(0)
    call = SERIES[name][2](size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()  # warms up
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": statistics.median(seconds), "megabytes": (after - before) / 1024}


def plot(found: dict[str, Any], path: Path) -> None:
    """Time above, memory below, a column for each thing that grows."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    axes_of = list(dict.fromkeys(one["axis"] for one in found.values()))
    figure, grid = plt.subplots(2, len(axes_of), figsize=(4 * len(axes_of), 7), squeeze=False, layout="constrained")
    for column, axis in enumerate(axes_of):
        for name, one in found.items():
            if one["axis"] == axis:
                label = f"{name.split(',')[0]}: {one['slope']:.2f}"
                grid[0, column].loglog(one["sizes"], [1e3 * s for s in one["seconds"]], "o-", label=label)
                grid[1, column].loglog(one["sizes"], [max(m, 0.1) for m in one["megabytes"]], "o-")
        grid[0, column].legend(fontsize=7, title="slope", title_fontsize=7)
        grid[1, column].set_xlabel(axis)
    grid[0, 0].set_ylabel("ms")
    grid[1, 0].set_ylabel("MB")
    figure.savefig(path, dpi=90)
    plt.close(figure)
