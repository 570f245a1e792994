"""Many calls in one run: ``python -m tests.fuzz --calls 50000``. Prints the seed, and each finding once."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import torch

from tests.fuzz.calls import NOT_CALLED, public_names
from tests.fuzz.contract import Finding
from tests.fuzz.run import run_calls


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="in all, shared out evenly over the public names")
    parser.add_argument("--seed", type=int, help="of an earlier run, to do it again; default: a new one")
    parser.add_argument("--only", nargs="*", help="these public names, with all the calls each had in that run")
    parser.add_argument("--verbose", action="store_true", help="print every finding's arguments")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    names = {name: thing for name, thing in public_names().items() if name not in NOT_CALLED}
    each = -(-arguments.calls // len(names))
    print(f"seed {seed}: {each} calls of each of {len(names)} public names", flush=True)
    outcomes: Counter[str] = Counter()
    findings: dict[tuple[str, str, str], Finding] = {}
    times: Counter[tuple[str, str, str]] = Counter()
    started = time.monotonic()
    for name, thing in names.items():
        if arguments.only and name not in arguments.only:
            continue

        def keep(finding: Finding) -> None:
            findings.setdefault(finding.key, finding)
            times[finding.key] += 1

        try:
            outcomes.update(run_calls(name, thing, each, seed, keep))
        except LookupError as missing:
            keep(Finding(name, "no generator", "tests/fuzz", str(missing)))
    for key, finding in sorted(findings.items()):
        detail = finding.detail if arguments.verbose else finding.detail[:160]
        print(f"{times[key]:4} x {finding.name}: {finding.kind} at {finding.place}: {detail}")
    causes = {key[1:] for key in findings}
    print(
        f"seed {seed}: {outcomes.total()} calls in {time.monotonic() - started:.0f} s, {outcomes['result']} results, "
        f"{outcomes['refused']} refused, {outcomes['finding']} with a finding; {len(findings)} distinct findings "
        f"(name, kind, place), {len(causes)} distinct causes (kind, place)"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
