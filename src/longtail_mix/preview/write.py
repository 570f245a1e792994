"""The whole page: look, find, choose, render, write one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from longtail_mix._checks import check_whole
from longtail_mix._version import __version__
from longtail_mix.class_groups import many_medium_few
from longtail_mix.data import ImageTable
from longtail_mix.preview.choices import ALPHAS, DETECTORS, RECIPES, patches_for, snippet
from longtail_mix.preview.findings import Finding, of_a_detector, of_the_images, of_the_table
from longtail_mix.preview.look import Look, look_at, sample_rows
from longtail_mix.preview.pairs import choose_pairs, named_rows
from longtail_mix.preview.render import render_pair
from longtail_mix.preview.source import training_rows


@torch.inference_mode()
def write_preview(
    data: ImageTable,
    out: str | Path,
    size: int = 224,
    pairs: int = 6,
    chosen: Sequence[tuple[str, str]] = (),
    look: int = 200,
    seed: int = 0,
    progress: bool = True,
) -> list[Finding]:
    """Write one HTML file that needs no server and no network, and return the warnings that stand on it.

    The page shows the images per class with many, medium and few; warnings about the set; and for pairs of a tail
    and a head image each detector's map, the ratio of each patch, the mix, the other mixes with their labels, and the
    code for the choice on screen.

    Args:
        data: the images, as ``read_folder`` or ``read_table`` gives them. Where it has a side called train, counts and
            pairs are those of that side.
        out: the file to write.
        size: pixels a side the images are brought to, as for training; a multiple of 8.
        pairs: how many random pairs are shown, when none are chosen.
        chosen: pairs of names, the tail first.
        look: how many images are decoded for the warnings, the classes taking turns.
        seed: of the random choices and draws.
        progress: whether to show progress bars.

    Raises:
        ValueError: a class alone, a size that is no multiple of 8, unknown names, no readable image of tail or head.
        TypeError: numbers that are not whole.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from longtail_mix.data import read_folder
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for kind, grey in (("head/1", 90), ("head/2", 120), ("tail/1", 40)):
        ...         (Path(root) / kind).parent.mkdir(exist_ok=True)
        ...         Image.new("RGB", (64, 64), (grey, grey, 0)).save(f"{root}/{kind}.png")
        ...     found = write_preview(read_folder(root), f"{root}/page.html", 32, pairs=1, progress=False)
        >>> found[0]
        Finding(text='2 classes have fewer than 10 images to train on', names=('head', 'tail'))
    """
    check_whole(size, "size", 16)
    check_whole(pairs, "pairs", 1)
    check_whole(look, "look", 2)
    check_whole(seed, "seed", None)
    if size % 8:
        raise ValueError(f"size: expected a multiple of 8, which the patches divide, got {size}")
    if len(data.classes) < 2:
        raise ValueError(f"data: expected two or more classes, got {data.classes}")
    rows = training_rows(data)
    labels = data.labels.tolist()
    counts = torch.bincount(data.labels[rows], minlength=len(data.classes)).tolist()
    named = named_rows(data, [name for pair in chosen for name in pair])
    shown = dict.fromkeys([*named, *sample_rows(labels, rows, look, seed)])
    looks, unreadable = look_at(data, list(shown), size, progress)
    by_row = {one.row: one for one in looks}
    bad = [data.names[row] for row in named if row in unreadable]
    if bad:
        raise ValueError(f"pair: expected images that can be read, got {bad}")
    both = (
        [(by_row[named[i]], by_row[named[i + 1]]) for i in range(0, len(named), 2)]
        if chosen
        else choose_pairs(data, counts, looks, pairs, seed)
    )

    maps = _maps(looks, progress)
    position = {one.row: i for i, one in enumerate(looks)}
    found = of_the_table(data, counts) + of_the_images(data, looks, unreadable, size)
    for detector, of in zip(DETECTORS, maps, strict=True):
        found += of_a_detector(data, detector.name, looks, of)
    content = {
        **_choices(size, counts),
        "version": __version__,
        "size": size,
        "images": len(rows),
        "looked": len(looks),
        "classes": _classes(data, counts),
        "findings": [{"text": one.text, "names": one.names[:5], "more": max(0, len(one.names) - 5)} for one in found],
        "pairs": [
            render_pair(
                data, counts, pair, [(of[position[pair[0].row]], of[position[pair[1].row]]) for of in maps], seed
            )
            for pair in tqdm(both, "mixing pairs", unit="pair", disable=not progress)
        ],
    }
    # In a script element only "<" could end the text.
    text = json.dumps(content).replace("<", "\\u003c")
    page = (files("longtail_mix.preview") / "page.html").read_text(encoding="utf-8")
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(page.replace("@content@", text), encoding="utf-8")
    return found


def _maps(looks: Sequence[Look], progress: bool) -> list[Tensor]:
    """The maps of all images [N, 1, S, S], for each detector."""
    images = torch.stack([one.pixels for one in looks])
    parts = images.split(32)
    with tqdm(total=len(DETECTORS) * len(images), desc="running detectors", unit="map", disable=not progress) as bar:
        maps = []
        for detector in DETECTORS:
            of = []
            for part in parts:
                of.append(detector.module(part))
                bar.update(len(part))
            maps.append(torch.cat(of))
    return maps


def _choices(size: int, counts: Sequence[int]) -> dict[str, Any]:
    patches = patches_for(size)
    return {
        "detectors": [detector.name for detector in DETECTORS],
        "recipes": [name for name, _ in RECIPES],
        "alphas": ALPHAS,
        "patches": patches,
        "snippets": {
            f"{d}-{r}-{a}-{p}": snippet(detector, recipe, alpha, patch, counts)
            for d, detector in enumerate(DETECTORS)
            for r, (_, recipe) in enumerate(RECIPES)
            for a, alpha in enumerate(ALPHAS)
            for p, patch in enumerate(patches)
        },
    }


def _classes(data: ImageTable, counts: Sequence[int]) -> list[dict[str, Any]]:
    """The classes from the most frequent to the rarest."""
    groups = many_medium_few(counts)._asdict()
    return [{"name": data.classes[c], "count": counts[c], "group": group} for group, of in groups.items() for c in of]
