"""The check in front of every measurement: all variants, and all peers that compute the same, agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.case import Operator, Peer
from benchmarks.speed.variants import tensors_of

__all__ = ["DisagreementError", "compare_with_peer", "compare_with_reference", "relative_error"]

SEED = 20240807
# Largest norm of the difference, in norms of the reference: rounding once more or in another order. Whole numbers are
# equal, but for bytes: where the mix lies halfway between two, the last bit of a ratio decides. This is one of some
# 5,000 off by one, where all off by one would be 7e-3.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2, torch.uint8: 1e-4}


class DisagreementError(Exception):
    """What was to be timed computes something else: there is nothing to report."""


def relative_error(got: Tensor, expected: Tensor) -> float:
    """||got - expected|| / ||expected||; NaN, on either side, is never close to anything."""
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise DisagreementError(f"{list(got.shape)} {got.dtype} instead of {list(expected.shape)} {expected.dtype}")
    difference = (got.double() - expected.double()).norm()
    size = expected.double().norm()
    return float(difference / size) if size > 0 else float(difference)


def result_of(operator: Operator, inputs: Sequence[Any]) -> list[Tensor]:
    """What it computes from one seed."""
    torch.manual_seed(SEED)
    return tensors_of(operator(*inputs))


def compare_with_reference(operator: Operator, reference: Operator, inputs: Sequence[Tensor]) -> float:
    """The largest relative error of an operator's results; raises :class:`DisagreementError` beyond the tolerance."""
    got, expected = result_of(operator, inputs), result_of(reference, inputs)
    if len(got) != len(expected):
        raise DisagreementError(f"{len(got)} results instead of {len(expected)}")
    largest = 0.0
    for i, (one, other) in enumerate(zip(got, expected, strict=True)):
        error = relative_error(one, other)
        allowed = TOLERANCE.get(other.dtype, 0.0)
        if not error <= allowed:
            raise DisagreementError(f"result {i}: relative error {error:.3g}, more than {allowed:.3g}")
        largest = max(largest, error)
    return largest


def compare_with_peer(peer: Peer, operator: Operator, reference: Operator, inputs: Sequence[Tensor]) -> float | None:
    """The largest difference between a peer and ours, None where it computes something else."""
    if peer.same is None:
        return None
    theirs = peer.same(operator(*peer.prepare(tuple(inputs))))
    (ours,) = result_of(reference, inputs)
    if theirs.shape != ours.shape:
        raise DisagreementError(f"{list(theirs.shape)} instead of {list(ours.shape)}")
    difference = (theirs.double() - ours.cpu().double()).abs().max()
    if not difference <= peer.tolerance:
        raise DisagreementError(f"largest difference {float(difference):.3g}, more than {peer.tolerance:.3g}")
    return float(difference)
