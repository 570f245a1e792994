"""The losses under test, each beside a literal loop in float64 over one image and one class."""

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch

from longtail_mix import (
    BalancedSoftmaxLoss,
    FocalLoss,
    LabelAwareSmoothingLoss,
    LADELoss,
    LDAMLoss,
    LogitAdjustmentLoss,
    WeightedCrossEntropy,
)
from longtail_mix.functional import (
    balanced_softmax_loss,
    focal_loss,
    label_aware_smoothing_loss,
    lade_loss,
    ldam_loss,
    logit_adjustment_loss,
    weighted_cross_entropy,
)

COUNTS = [70, 20, 9, 1]
CASES = [
    "cross entropy",
    "focal",
    "focal below one",
    "ldam",
    "balanced softmax",
    "logit adjustment",
    "label-aware smoothing",
]


class Case(NamedTuple):
    """A loss three times: as a function, as a module, as a loop over one image's logits and label."""

    function: Callable[..., torch.Tensor]
    module: Callable[..., torch.nn.Module]
    loop: Callable[[list[float], int], float]
    smooths: bool = True  # takes label_smoothing

    def smoothing(self, eps: float) -> dict[str, float]:
        """Label smoothing as an option, where the loss has it."""
        return {"label_smoothing": eps} if self.smooths else {}


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


def adjusted_loop(tau: float) -> Callable[[list[float], int], float]:
    def loop(logits: list[float], label: int) -> float:
        moved = [z + tau * math.log(n / sum(COUNTS)) for z, n in zip(logits, COUNTS, strict=True)]
        return -math.log(softmax(moved)[label])

    return loop


def label_aware_loop(logits: list[float], label: int) -> float:
    share = (COUNTS[label] - min(COUNTS)) / (max(COUNTS) - min(COUNTS))
    eps = 0.05 + (0.3 - 0.05) * math.sin(math.pi * share / 2)
    target = [1 - eps if c == label else eps / (len(logits) - 1) for c in range(len(logits))]
    return -sum(q * math.log(p) for q, p in zip(target, softmax(logits), strict=True))


def lade_loop(logits: list[list[float]], shares: list[list[float]], alpha: float, lam: float) -> list[float]:
    """LADE of a batch: an image counts in every class by its share."""
    priors, images, classes = [n / sum(COUNTS) for n in COUNTS], range(len(logits)), range(len(COUNTS))
    regulariser = 0.0
    for c in classes:
        own = sum(shares[i][c] for i in images)
        first = sum(shares[i][c] * logits[i][c] for i in images) / own if own else 0.0
        total = 0.0
        for i in images:
            for y in classes:
                total += shares[i][y] * (1 / len(COUNTS)) / priors[y] * math.exp(logits[i][c])
        normaliser = math.log(total / len(logits))
        regulariser += priors[c] * (-first + normaliser + lam * normaliser**2)
    plain = adjusted_loop(1.0)
    return [sum(shares[i][c] * plain(logits[i], c) for c in classes) + alpha * regulariser for i in images]


ALL = {
    "cross entropy": Case(weighted_cross_entropy, WeightedCrossEntropy, lambda z, label: -math.log(softmax(z)[label])),
    "focal": Case(lambda z, y, **o: focal_loss(z, y, 2.0, **o), lambda **o: FocalLoss(2.0, **o), focal_loop(2.0)),
    "focal below one": Case(
        lambda z, y, **o: focal_loss(z, y, 0.5, **o), lambda **o: FocalLoss(0.5, **o), focal_loop(0.5)
    ),
    "ldam": Case(
        lambda z, y, **o: ldam_loss(z, y, COUNTS, 0.4, 5.0, **o),
        lambda **o: LDAMLoss(COUNTS, 0.4, 5.0, **o),
        ldam_loop,
    ),
    "balanced softmax": Case(
        lambda z, y, **o: balanced_softmax_loss(z, y, COUNTS, **o),
        lambda **o: BalancedSoftmaxLoss(COUNTS, **o),
        adjusted_loop(1.0),
    ),
    "logit adjustment": Case(
        lambda z, y, **o: logit_adjustment_loss(z, y, COUNTS, 1.7, **o),
        lambda **o: LogitAdjustmentLoss(COUNTS, 1.7, **o),
        adjusted_loop(1.7),
    ),
    "label-aware smoothing": Case(
        lambda z, y, **o: label_aware_smoothing_loss(z, y, COUNTS, 0.3, 0.05, **o),
        lambda **o: LabelAwareSmoothingLoss(COUNTS, 0.3, 0.05, **o),
        label_aware_loop,
        smooths=False,
    ),
    # Its images do not stand alone: the loop is that of a batch.
    "lade": Case(
        lambda z, y, **o: lade_loss(z, y, COUNTS, 0.5, 0.2, **o),
        lambda **o: LADELoss(COUNTS, 0.5, 0.2, **o),
        lambda z, label: lade_loop([z], [[float(c == label) for c in range(len(z))]], 0.5, 0.2)[0],
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """A loss of images that stand alone."""
    return ALL[request.param]


@pytest.fixture(params=list(ALL))
def every_case(request: pytest.FixtureRequest) -> Case:
    """Any loss."""
    return ALL[request.param]
