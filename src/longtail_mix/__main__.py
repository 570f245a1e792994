"""``longtail-mix`` and ``python -m longtail_mix``: commands for your own images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from longtail_mix._version import __version__
from longtail_mix.preview import command as preview


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, or 2 where it is refused."""
    parser = argparse.ArgumentParser(prog="longtail-mix", description="Saliency-guided mixing for long-tailed images")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    summary = "write one HTML page about your own images: counts, warnings, what each detector and mix makes of them"
    command = commands.add_parser("preview", help=summary, description=summary)
    preview.add_arguments(command)
    command.set_defaults(run=preview.run)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
