"""The command line of the preview; what it needs is imported when it runs."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``longtail-mix preview``."""
    parser.add_argument(
        "data", type=Path, help="a folder with a folder for each class, a CSV file, or an ISIC 2018 folder"
    )
    parser.add_argument("--out", type=Path, default=Path("preview.html"), help="the page to write (%(default)s)")
    parser.add_argument("--size", type=int, default=224, help="pixels a side, as for training (%(default)s)")
    parser.add_argument("--pairs", type=int, default=6, help="random pairs of a tail and a head image (%(default)s)")
    parser.add_argument(
        "--pair",
        nargs=2,
        action="append",
        default=[],
        metavar=("TAIL", "HEAD"),
        help="these two images; can be repeated",
    )
    parser.add_argument("--look", type=int, default=200, help="images decoded for the warnings (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices (%(default)s)")
    table = parser.add_argument_group("columns of a CSV file")
    table.add_argument("--image", default="image", metavar="COLUMN", help="the image's file (%(default)s)")
    table.add_argument("--label", default="label", metavar="COLUMN", help="its class (%(default)s)")
    table.add_argument("--group", metavar="COLUMN", help="what must stay on one side of a split: lesion, patient")
    table.add_argument("--side", metavar="COLUMN", help="the side of the split: train, val, test")
    table.add_argument("--root", type=Path, help="the folder the files lie under (that of the CSV file)")
    table.add_argument("--suffix", default="", help="put behind each name, such as .jpg")


def run(options: argparse.Namespace) -> int:
    """Write the page; a refusal is one line on stderr."""
    import torch

    from longtail_mix.preview import write_preview
    from longtail_mix.preview.source import open_source

    start = time.perf_counter()
    # The tensors are small: threads would gain little, and wait for each other where the processor is busy.
    torch.set_num_threads(1)
    try:
        data = open_source(
            options.data, options.image, options.label, options.group, options.side, options.root, options.suffix
        )
        found = write_preview(data, options.out, options.size, options.pairs, options.pair, options.look, options.seed)
    except (FileNotFoundError, ValueError) as refusal:
        sys.stderr.write(f"longtail-mix preview: {refusal}\n")
        return 2
    for finding in found:
        sys.stderr.write(f"! {finding.text}\n")
    megabytes = options.out.stat().st_size / 1e6
    sys.stdout.write(f"{options.out}: {megabytes:.1f} MB in {time.perf_counter() - start:.0f} s\n")
    return 0
