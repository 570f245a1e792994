"""Many calls of one public name, drawn by hypothesis from a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.fuzz.batch import draw_batch
from tests.fuzz.contract import Finding, check_call


def run_calls(
    name: str, thing: Any, calls: int, seed: int, keep: Callable[[Finding], None] | None = None
) -> Counter[str]:
    """Make `calls` calls of `name`; findings go to `keep`, or without it the first is raised, made small."""
    outcomes: Counter[str] = Counter()

    @seeded(f"{seed}:{name}")
    @settings(
        max_examples=calls,
        database=None,
        deadline=None,
        phases=(Phase.generate,) if keep else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: Any) -> None:
        if outcomes.total() >= calls and keep:
            return
        torch.manual_seed(0)  # what is drawn without a generator
        try:
            outcomes[check_call(name, thing, draw_batch(data.draw))] += 1
        except Finding as finding:
            finding.name = name
            if keep is None:
                raise
            outcomes["finding"] += 1
            keep(finding)

    one()
    return outcomes
