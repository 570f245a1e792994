"""The losses under test, each beside a literal loop in float64 over one picture and one class."""

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch

from longtail_mix import FocalLoss, LDAMLoss, WeightedCrossEntropy
from longtail_mix.functional import focal_loss, ldam_loss, weighted_cross_entropy

COUNTS = [70, 20, 9, 1]
CASES = [
    "cross entropy",
    "focal",
    "focal below one",
    "ldam",
]


class Case(NamedTuple):
    """A loss three times: as a function, as a module, as a loop over one picture's logits and label."""

    function: Callable[..., torch.Tensor]
    module: Callable[..., torch.nn.Module]
    loop: Callable[[list[float], int], float]


def softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    powers = [math.exp(z - top) for z in logits]
    return [p / sum(powers) for p in powers]


def focal_loop(gamma: float) -> Callable[[list[float], int], float]:
    def loop(logits: list[float], label: int) -> float:
        p = softmax(logits)[label]
        return -((1 - p) ** gamma) * math.log(p)

    return loop


def ldam_loop(logits: list[float], label: int) -> float:
    constant = 0.4 / max(n**-0.25 for n in COUNTS)
    moved = [5.0 * (z - constant * COUNTS[c] ** -0.25 * (c == label)) for c, z in enumerate(logits)]
    return -math.log(softmax(moved)[label])


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return {
        "cross entropy": Case(
            weighted_cross_entropy, WeightedCrossEntropy, lambda z, label: -math.log(softmax(z)[label])
        ),
        "focal": Case(lambda z, y, **o: focal_loss(z, y, 2.0, **o), lambda **o: FocalLoss(2.0, **o), focal_loop(2.0)),
        "focal below one": Case(
            lambda z, y, **o: focal_loss(z, y, 0.5, **o), lambda **o: FocalLoss(0.5, **o), focal_loop(0.5)
        ),
        "ldam": Case(
            lambda z, y, **o: ldam_loss(z, y, COUNTS, 0.4, 5.0, **o),
            lambda **o: LDAMLoss(COUNTS, 0.4, 5.0, **o),
            ldam_loop,
        ),
    }[request.param]
