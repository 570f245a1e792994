"""Change the code at random places and see whether a test fails: ``python -m tests.mutation src --sample 150``.

Prints each mutant that no test saw, and the share that was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from importlib import import_module
from pathlib import Path

from tests.mutation.named import NAMED
from tests.mutation.run import Mutant, failures, mutants_of
from tests.mutation.targets import ROOT, TARGETS, files, relevant

# Imported once, before every fork; nothing of this project, which each process imports for itself.
HEAVY = ("torch", "torchvision", "timm", "kornia", "hypothesis", "torchmetrics", "accelerate", "tyro", "cv2")
HEAVY += ("matplotlib.figure", "matplotlib.backends.backend_agg", "torch._dynamo", "torchvision.transforms.v2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*TARGETS, "named"], help="named: the changes of named.py, each with its tests")
    parser.add_argument("--sample", type=int, default=150, help="mutants, drawn without replacement; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="files whose path has this in it")
    parser.add_argument("--again", type=Path, help="those that survived an earlier run, by its --out")
    parser.add_argument("--seconds", type=float, default=300, help="that the tests of a mutant may take")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no further mutant is tried")
    parser.add_argument("--out", type=Path, help="JSON of each mutant and what saw it")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in HEAVY:
        import_module(name)
    if options.part == "named":
        sys.exit(named(options.only or "", options.seconds))
    paths = [path for path in files(options.part) if options.only is None or options.only in str(path)]
    if options.again:
        drawn = [Mutant(ROOT / path, number) for path, number, _, by in json.loads(options.again.read_text()) if not by]
    else:
        every = mutants_of(paths)
        print(f"{len(every):,} mutants of {len(paths)} files", flush=True)
        drawn = random.Random(options.seed).sample(every, min(options.sample or len(every), len(every)))
    seen_by = judged(drawn, options.seconds, options.minutes)
    if options.out:
        told = [[str(m.path.relative_to(ROOT)), m.number, m.told(), by] for m, by in seen_by.items()]
        options.out.write_text(json.dumps(told, indent=1) + "\n")
    seen = sum(by is not None for by in seen_by.values())
    print(f"{seen} of {len(seen_by)} seen: {100 * seen / max(len(seen_by), 1):.1f} %")


def named(only: str, seconds: float) -> int:
    """Each change with the test that sees it; how many none does."""
    unseen = 0
    for what, change in NAMED.items():
        if only in what:
            failed = failures([change.tests], seconds, change)
            print(f"{what}: {failed[0] if failed else 'NOT SEEN'}", flush=True)
            unseen += not failed
    return unseen


def judged(drawn: list[Mutant], seconds: float, minutes: float) -> dict[Mutant, str | None]:
    """The test that saw each; None: no test did, or only tests that fail on the unchanged code too."""
    seen_by: dict[Mutant, str | None] = {}
    began = time.monotonic()
    for mutant in drawn:
        if time.monotonic() - began > 60 * minutes:
            break
        failed = failures([str(test) for test in relevant(mutant.path)], seconds, mutant)
        seen_by[mutant] = failed[0] if failed else None
        if not failed:
            print(mutant.told(), flush=True)
        if len(seen_by) % 10 == 0:
            print(f"{len(seen_by)} of {len(drawn)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    killers = sorted({by for by in seen_by.values() if by is not None and "::" in by})
    unsound = set(failures(killers, 20 * seconds)) if killers else set()
    for mutant, by in seen_by.items():
        if by in unsound:
            print(f"fails unchanged as well: {by}; not seen: {mutant.told()}", flush=True)
            seen_by[mutant] = None
    return seen_by


if __name__ == "__main__":
    main()
