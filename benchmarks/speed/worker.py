"""One revision of the library, timed at another process's word: JSON lines in, JSON lines out.

``{"line_up": title}`` checks and warms up the variants of a problem; ``{"time": [variant, times]}`` times one of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import torch

import longtail_mix
from benchmarks.speed.case import Operator, Problem
from benchmarks.speed.check import result_of
from benchmarks.speed.contenders import SEED, Contender, draw, line_up
from benchmarks.speed.measure import warmed_up
from benchmarks.speed.run import add_timing, plan_of
from benchmarks.speed.selection import add_selection, selected, selected_variants
from benchmarks.speed.timing import Clock, Plan
from benchmarks.speed.variants import EAGER, Variant

__all__ = ["Worker", "fingerprint", "main"]


class Worker:
    """Answers to the words of the other process."""

    def __init__(self, problems: Sequence[Problem], variants: Sequence[Variant], device: torch.device, plan: Plan):
        self.problems = {problem.title: problem for problem in problems}
        self.variants, self.device, self.plan = variants, device, plan
        self.clocks: dict[str, tuple[Contender, Clock]] = {}

    def answer(self, word: dict[str, Any]) -> dict[str, Any]:
        if "line_up" in word:
            return self.line_up(self.problems[word["line_up"]])
        name, times = word["time"]
        contender, clock = self.clocks[name]
        return {"seconds": clock.time(contender.take(times))}

    def line_up(self, problem: Problem) -> dict[str, Any]:
        """Repeats for each variant, those that failed, and a fingerprint of the result."""
        lined_up = line_up(problem, self.variants, self.device, with_others=False)
        self.clocks, repeats = {}, {}
        for contender in lined_up.contenders:
            clock, repeats[contender.name], _ = warmed_up(contender, self.device, self.plan)
            self.clocks[contender.name] = contender, clock
        reference = EAGER.checked(problem, self.device)
        return {
            "repeats": repeats,
            "failed": lined_up.failed,
            "fingerprint": fingerprint(problem, reference, self.device),
        }


def fingerprint(problem: Problem, operator: Operator, device: torch.device) -> str:
    """The same for two revisions whose results are the same, bit for bit."""
    inputs = draw(problem, torch.Generator(device).manual_seed(SEED))
    digest = hashlib.sha256()
    for tensor in result_of(operator, inputs):
        digest.update(tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    add_selection(parser)
    add_timing(parser)
    options = parser.parse_args(arguments)
    worker = Worker(selected(options), selected_variants(options), torch.device(options.device), plan_of(options))
    print(json.dumps({"library": longtail_mix.__file__}), flush=True)
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # whatever it is, it is the answer, and the other side raises it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
