"""What is timed: an operator of ours, the inputs it gets, and who else is timed on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.inputs import Draw, Shape

__all__ = ["Case", "Operator", "Peer", "Problem", "as_they_are"]

Operator = Callable[..., Any]
Inputs = tuple[Any, ...]


def as_they_are(inputs: tuple[Tensor, ...]) -> Inputs:
    return inputs


@dataclass(frozen=True)
class Peer:
    """Somebody else's operator on the same tensors.

    Attributes:
        name: as printed.
        build: makes the operator; raises ``ImportError`` where its package is not installed.
        prepare: the case's inputs in the form it takes; not timed.
        same: its result in the form of ours, where it computes the same thing; None where it does not.
        tolerance: largest difference from ours that is allowed then.
        on_host: whether it runs on the CPU whatever the device is.
        role: "peer", or "roof" for what nobody can beat and nobody is said to lose to.
    """

    name: str
    build: Callable[[], Operator]
    prepare: Callable[[tuple[Tensor, ...]], Inputs] = as_they_are
    same: Callable[[Any], Tensor] | None = None
    tolerance: float = 0.0
    on_host: bool = False
    role: str = "peer"


@dataclass(frozen=True)
class Case:
    """An operator or a pipeline of ours.

    Attributes:
        name: as printed, and as ``--case`` selects it.
        build: makes the operator; a module is moved to the device. ``ImportError`` where it needs what is not
            installed.
        draw: makes its inputs.
        shapes: of its first input, the most telling one first.
        dtypes: of its first input.
        peers: who is timed beside it.
        repeatable: makes it without noise on the pixels, for the check that all variants compute the same; default:
            `build`.
        draws: whether it draws random numbers.
        differentiable: whether it is timed forward and backward as well.
        compiles: whether there is something to compile; a class activation map runs other people's models as they are.
    """

    name: str
    build: Callable[[], Operator]
    draw: Draw
    shapes: tuple[Shape, ...]
    dtypes: tuple[torch.dtype, ...]
    peers: tuple[Peer, ...] = ()
    repeatable: Callable[[], Operator] | None = None
    draws: bool = False
    differentiable: bool = False
    compiles: bool = True

    def problems(self) -> list[Problem]:
        """Every size, dtype and direction of the table."""
        directions = (False, True) if self.differentiable else (False,)
        return [Problem(self, s, d, backward) for s in self.shapes for d in self.dtypes for backward in directions]


@dataclass(frozen=True)
class Problem:
    """A case at one size and dtype, forward or forward and backward."""

    case: Case
    shape: Shape
    dtype: torch.dtype
    backward: bool

    @property
    def size(self) -> str:
        return "x".join(map(str, self.shape))

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    @property
    def direction(self) -> str:
        return "forward+backward" if self.backward else "forward"

    @property
    def title(self) -> str:
        return f"{self.case.name} {self.size} {self.dtype_name} {self.direction}"
