"""Everybody who is timed on one problem: our variants, the peers, and a copy of as many bytes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.case import Operator, Peer, Problem
from benchmarks.speed.check import compare_with_peer, compare_with_reference
from benchmarks.speed.inputs import rotation
from benchmarks.speed.timing import Call
from benchmarks.speed.variants import COMPILED, EAGER, Variant, tensors_of

__all__ = ["Contender", "Field", "line_up"]

SEED = 7


@dataclass
class Contender:
    """A call, once for each set of inputs.

    Attributes:
        name: as printed.
        role: "ours", "peer" or "roof".
        calls: the same call on each set.
        on_host: whether it runs on the CPU whatever the device is.
    """

    name: str
    role: str
    calls: Sequence[Call]
    on_host: bool = False
    _next: int = 0

    def take(self, number: int) -> list[Call]:
        """The next calls, in rotation."""
        chosen = [self.calls[(self._next + i) % len(self.calls)] for i in range(number)]
        self._next = (self._next + number) % len(self.calls)
        return chosen


@dataclass
class Field:
    """Who can be timed on a problem, and what is known about those who cannot."""

    floor_bytes: int
    contenders: list[Contender] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    checks: dict[str, float] = field(default_factory=dict)

    def admit(self, name: str, enter: Callable[[], Contender]) -> None:
        """Let a contender in; one that is not installed or that breaks is named, and the others go on."""
        try:
            self.contenders.append(enter())
        except ImportError as error:
            self.missing[name] = str(error)
        except (RuntimeError, TypeError, ValueError) as error:  # out of memory, a dtype it does not take
            self.failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def line_up(problem: Problem, variants: Sequence[Variant], device: torch.device, with_others: bool = True) -> Field:
    """Check that everybody computes what they should, and make the calls.

    Args:
        problem: what is timed.
        variants: of our operator.
        device: where.
        with_others: whether peers and roof are timed as well.

    Raises:
        ImportError: the operator itself needs a package that is not installed.
        DisagreementError: somebody computes something else.
    """
    case = problem.case
    reference = EAGER.checked(problem, device)
    generator = torch.Generator(device).manual_seed(SEED)
    first = draw(problem, generator)
    results = tensors_of(reference(*first))
    floor = least_bytes(problem, first, results)
    sets = [first] + [draw(problem, generator) for _ in range(rotation(floor, device) - 1)]
    lined_up = Field(floor)

    def ours(variant: Variant) -> Contender:
        checked = variant.checked(problem, device)
        lined_up.checks[variant.name] = compare_with_reference(checked, reference, first)
        # Compiling takes seconds: what draws nothing is not compiled twice.
        operator = variant.operator(problem, device) if case.draws else checked
        return Contender(variant.name, "ours", on_each(operator, sets))

    for variant in variants:
        if variant is COMPILED and not case.compiles:
            continue
        lined_up.admit(variant.name, partial(ours, variant))

    if not with_others:
        return lined_up

    def theirs(peer: Peer) -> Contender:
        operator = peer.build()
        difference = compare_with_peer(peer, operator, reference, first)
        if difference is not None:
            lined_up.checks[peer.name] = difference
        prepared = [peer.prepare(inputs) for inputs in (sets[:2] if peer.on_host else sets)]
        operator(*prepared[0])
        return Contender(peer.name, peer.role, on_each(operator, prepared), peer.on_host)

    for peer in () if problem.backward else case.peers:
        lined_up.admit(peer.name, partial(theirs, peer))

    lined_up.contenders += copies(floor, len(sets), device)
    return lined_up


def draw(problem: Problem, generator: torch.Generator) -> tuple[Tensor, ...]:
    """A set of inputs; for a backward pass with the gradient of the result at the end."""
    inputs = problem.case.draw(problem.shape, problem.dtype, generator)
    if not problem.backward:
        return inputs
    # The result of a mix has the shape of its first input.
    return *inputs, torch.randn(inputs[0].shape, generator=generator, device=generator.device).to(inputs[0].dtype)


def least_bytes(problem: Problem, inputs: Sequence[Tensor], results: Sequence[Tensor]) -> int:
    """What has to cross the memory at least: every input read once, every result written once.

    A backward pass reads the inputs once more, because the gradient of the ratio needs them.
    """
    given = {tensor.data_ptr() for tensor in inputs}
    moved = sum(t.nbytes for t in inputs) + sum(t.nbytes for t in results if t.data_ptr() not in given)
    if problem.backward:
        moved += sum(t.nbytes for t in inputs[:-1] if t.is_floating_point())
    return moved


def on_each(operator: Operator, sets: Sequence[Sequence[Any]]) -> list[Call]:
    return [partial(operator, *inputs) for inputs in sets]


def copies(moved: int, sets: int, device: torch.device) -> list[Contender]:
    """The roof: half of the bytes read, the other half written.

    Into memory that is there; and into new memory, as an operator that returns a result does. On a CPU that is another
    matter, because the system has to find and clear the pages first.
    """
    size = max(moved // 2, 1)
    sources = [torch.randint(256, (size,), dtype=torch.uint8, device=device) for _ in range(sets)]
    targets = [torch.empty_like(source) for source in sources]
    pairs = list(zip(sources, itertools.cycle(targets), strict=False))
    return [
        Contender("copy", "roof", [partial(t.copy_, s) for s, t in pairs]),
        Contender("copy into new memory", "roof", [source.clone for source in sources]),
    ]
