"""One pair of images in every choice of the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from longtail_mix.data import ImageTable
from longtail_mix.preview.choices import ALPHAS, RECIPES, patches_for
from longtail_mix.preview.look import Look
from longtail_mix.preview.mixes import Shown, guided, unguided


def render_pair(
    data: ImageTable, counts: Sequence[int], pair: tuple[Look, Look], maps: Sequence[tuple[Tensor, Tensor]], seed: int
) -> dict[str, Any]:
    """What the page shows of a pair; `maps` has those of tail and head [1, S, S] for each detector.

    The page mixes tail and head itself, from the ratio of each patch: all choices take less room than one image.
    """
    images = pair[0].pixels[None], pair[1].pixels[None]
    labels = data.labels[pair[0].row][None], data.labels[pair[1].row][None]
    return {
        "tail": _image(data, pair[0]),
        "head": _image(data, pair[1]),
        "maps": [[as_jpeg(map_ * 255), as_jpeg(other * 255)] for map_, other in maps],
        "ratios": ratios(maps, seed),
        "unguided": _figures(data, unguided(counts, labels, images)),
        "guided": [_figures(data, guided(labels, images, (tail[None], head[None]))) for tail, head in maps],
    }


def ratios(maps: Sequence[tuple[Tensor, Tensor]], seed: int) -> dict[str, str]:
    """The ratio of each patch as bytes, by ``detector-recipe-alpha-patch`` in positions; the same noise in each."""
    found = {}
    for d, (tail, head) in enumerate(maps):
        for r, (_, recipe) in enumerate(RECIPES):
            for a, alpha in enumerate(ALPHAS):
                for p, patch in enumerate(patches_for(tail.shape[-1])):
                    generator = torch.Generator().manual_seed(seed)
                    ratio = recipe(patch, alpha)(tail[None], head[None], generator)
                    found[f"{d}-{r}-{a}-{p}"] = b64encode(as_bytes(ratio * 255).numpy().tobytes()).decode()
    return found


def as_bytes(values: Tensor) -> Tensor:
    """Values in [0, 255] rounded to uint8."""
    return values.round().clamp(0, 255).to(torch.uint8)


def as_jpeg(values: Tensor) -> str:
    """An image [3, H, W] or a map [1, H, W] in [0, 255] as an address that holds its own content."""
    array = as_bytes(values.float()).permute(1, 2, 0).numpy()
    file = BytesIO()
    Image.fromarray(array if array.shape[2] == 3 else array[..., 0]).save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + b64encode(file.getvalue()).decode()


def _image(data: ImageTable, look: Look) -> dict[str, str]:
    label = data.classes[int(data.labels[look.row])]
    return {"name": data.names[look.row], "label": label, "src": as_jpeg(look.pixels)}


def _figures(data: ImageTable, mixes: Shown) -> list[dict[str, str]]:
    """Each mix with its label in words."""
    found = []
    for name, (mixed, target) in mixes.items():
        shares = target.soft(len(data.classes))[0]
        order = [c for c in shares.argsort(descending=True).tolist() if shares[c] > 0]
        label = ", ".join(f"{100 * shares[c]:.0f} % {data.classes[c]}" for c in order)
        found.append({"name": name, "label": label, "src": as_jpeg(mixed[0])})
    return found
