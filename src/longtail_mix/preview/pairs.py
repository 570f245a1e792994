"""Which images of the tail are shown with which of the head."""

from __future__ import annotations

import random
from collections.abc import Sequence

from longtail_mix.data import ImageTable
from longtail_mix.mixing import HeadTailPairing
from longtail_mix.preview.look import Look


def choose_pairs(
    data: ImageTable, counts: Sequence[int], looks: Sequence[Look], number: int, seed: int
) -> list[tuple[Look, Look]]:
    """`number` random pairs, the tail classes taking turns; tail and head as ``HeadTailPairing`` tells them."""
    pairing = HeadTailPairing(counts)
    draw = random.Random(seed)
    labels = data.labels.tolist()
    of_class = {c: [look for look in looks if labels[look.row] == c] for c in range(len(counts))}
    tails = [c for c in pairing.tail_classes if of_class[c]]
    heads = [look for c in pairing.head_classes for look in of_class[c]]
    if not tails or not heads:
        missing = pairing.head_classes if tails else pairing.tail_classes
        raise ValueError(
            "data: expected readable images of a tail class and of a head class, "
            f"got none of {[data.classes[c] for c in missing]}"
        )
    return [(draw.choice(of_class[tails[i % len(tails)]]), draw.choice(heads)) for i in range(number)]


def named_rows(data: ImageTable, names: Sequence[str]) -> list[int]:
    """The rows of images given by their name."""
    unknown = [name for name in names if name not in data.names]
    if unknown:
        raise ValueError(f"pair: expected names such as {data.names[0]!r}, got {unknown}")
    return [data.names.index(name) for name in names]
