"""One command per measurement: ``python -m benchmarks COMMAND --help``. What it refuses is said in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import care, compile_time, fidelity, gallery, growth, loop, mix_fidelity, puzzle
from benchmarks.speed import compare, list_cases, run, show, steps

COMMANDS = {
    "fidelity": fidelity,
    "gallery": gallery,
    "mix-fidelity": mix_fidelity,
    "puzzle": puzzle,
    "list": list_cases,
    "run": run,
    "compare": compare,
    "show": show,
    "steps": steps,
    "care": care,
    "loop": loop,
    "growth": growth,
    "compile": compile_time,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.SUMMARY, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as refusal:
        sys.exit(f"python -m benchmarks: {refusal}")


if __name__ == "__main__":
    main()
