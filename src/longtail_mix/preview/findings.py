"""What should be known about a set of images before it is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from longtail_mix.data import ImageTable, groups_on_several_sides
from longtail_mix.preview.duplicates import FLAT, alike, same_files
from longtail_mix.preview.look import Look

FEW = 10
TINY = 64
_NO_CONTRAST = 0.1  # between the largest and the smallest value of a map
_EVERYWHERE = 0.7  # mean of a map


class Finding(NamedTuple):
    """A sentence, and some of the images, groups or classes it is about."""

    text: str
    names: tuple[str, ...] = ()


def of_the_table(data: ImageTable, counts: Sequence[int]) -> list[Finding]:
    """Rare classes, groups on several sides, files that are there twice."""
    found = []
    rare = [name for name, count in zip(data.classes, counts, strict=True) if count < FEW]
    if rare:
        text = f"{_count(rare, 'class has', 'classes have')} fewer than {FEW} images to train on"
        found.append(Finding(text, tuple(rare)))
    if max(counts) < 2 * max(1, min(counts)):
        found.append(Finding("the largest class has less than twice the images of the smallest: this is no long tail"))
    if data.sides is not None:
        leaks = groups_on_several_sides(data.groups, data.sides)
        if leaks:
            text = f"{_count(leaks, 'group has', 'groups have')} images on several sides of the split"
            found.append(Finding(text, leaks))
    twice = same_files(data.paths)
    labels = data.labels.tolist()
    torn = [rows for rows in twice if len({labels[row] for row in rows}) > 1]
    found += _equal(data, "file is there", "files are there", "more than once", twice)
    found += _equal(data, "file is there", "files are there", "under several labels", torn)
    if data.sides is not None:
        sides = data.sides
        across = [rows for rows in twice if len({sides[row] for row in rows}) > 1]
        found += _equal(data, "file lies", "files lie", "on several sides of the split", across)
    return found


def of_the_images(data: ImageTable, looks: Sequence[Look], unreadable: Mapping[int, str], size: int) -> list[Finding]:
    """What cannot be read, is tiny, flat, without colour, or nearly the same as another."""
    of = f"of {len(looks) + len(unreadable)} images looked at"

    def about(text: str, rows: Sequence[int]) -> list[Finding]:
        return [Finding(f"{len(rows)} {of} {text}", tuple(data.names[row] for row in rows))] if rows else []

    same = alike(looks)
    return [
        *([Finding(f"{len(unreadable)} {of} cannot be read", _reasons(data, unreadable))] if unreadable else []),
        *about(f"have a side below {TINY} pixels", [look.row for look in looks if look.side < TINY]),
        *about(f"are enlarged to {size} pixels", [look.row for look in looks if TINY <= look.side < size]),
        *about("are flat: they show next to nothing", [look.row for look in looks if look.spread < FLAT]),
        *about(
            "have 16 or 32 bits a channel, and Pillow cuts values above 255: convert them to 8 bits first",
            [look.row for look in looks if look.mode.startswith(("I", "F"))],
        ),
        *about(
            "have one channel: detectors that look for colour (skin contrast) were not made for them",
            [look.row for look in looks if look.mode in ("1", "L", "LA")],
        ),
        *([Finding(f"{len(same)} pairs {of} are nearly the same image", _pairs(data, same))] if same else []),
    ]


def of_a_detector(data: ImageTable, name: str, looks: Sequence[Look], maps: Tensor) -> list[Finding]:
    """A detector that finds nothing, or everything, on more than half of the images: maps [N, 1, S, S]."""
    nothing = maps.amax((1, 2, 3)) - maps.amin((1, 2, 3)) < _NO_CONTRAST
    everything = ~nothing & (maps.mean((1, 2, 3)) > _EVERYWHERE)
    return [
        Finding(
            f"{name} finds {what} on {int(which.sum())} of {len(looks)} images",
            tuple(data.names[look.row] for look, is_one in zip(looks, which.tolist(), strict=True) if is_one),
        )
        for what, which in (("nothing", nothing), ("nearly everything salient", everything))
        if 2 * int(which.sum()) > len(looks)
    ]


def _equal(data: ImageTable, one: str, several: str, text: str, twice: Sequence[Sequence[int]]) -> list[Finding]:
    names = tuple(" = ".join(data.names[row] for row in rows) for rows in twice)
    return [Finding(f"{_count(names, one, several)} {text}", names)] if names else []


def _count(found: Sequence[str], one: str, several: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else several}"


def _reasons(data: ImageTable, unreadable: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(f"{data.names[row]} ({reason})" for row, reason in unreadable.items())


def _pairs(data: ImageTable, rows: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    return tuple(f"{data.names[first]} ~ {data.names[second]}" for first, second in rows)
