"""Which problems of the table are measured: the options that ``list``, ``run`` and ``compare`` share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from fnmatch import fnmatch

import torch

from benchmarks.speed.case import Case, Problem
from benchmarks.speed.cases import CASES
from benchmarks.speed.variants import VARIANTS, Variant, variants_on

__all__ = ["add_selection", "selected", "selected_variants"]

DTYPES = ("float32", "bfloat16", "float16", "uint8", "int64")
DIRECTIONS = ("forward", "forward+backward")
# A CPU takes seconds for more than a batch of 64 images of 224 pixels; a size that is asked for by name is measured.
LARGEST_ON_CPU = 64 * 3 * 224 * 224


def add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--case", nargs="+", metavar="NAME", help="names or patterns, like 'patch_mixup*'; default: all"
    )
    parser.add_argument(
        "--size",
        nargs="+",
        metavar="BxCxHxW",
        help="sizes or patterns, like '64x*'; default: those that the device is made for",
    )
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, help="default: all of the table")
    parser.add_argument("--direction", nargs="+", choices=DIRECTIONS, help="default: both")
    parser.add_argument("--variant", nargs="+", choices=[variant.name for variant in VARIANTS], help="default: all")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a small size of each case, a few repeats: does it run?")


def selected(options: argparse.Namespace, cases: Sequence[Case] = CASES) -> list[Problem]:
    """The problems that the options ask for, in the order of the table."""
    problems = [problem for case in cases for problem in case.problems() if _matches(problem, options)]
    if options.quick and options.size is None:
        return [problem for problem in problems if problem.shape == _quick_shape(problem.case)]
    if options.size is None and torch.device(options.device).type == "cpu":
        return [problem for problem in problems if math.prod(problem.shape) <= LARGEST_ON_CPU]
    return problems


def selected_variants(options: argparse.Namespace) -> list[Variant]:
    """The variants that the options ask for and the device has."""
    there = variants_on(torch.device(options.device))
    return [variant for variant in there if options.variant is None or variant.name in options.variant]


def _quick_shape(case: Case) -> tuple[int, ...]:
    return min(case.shapes, key=math.prod)


def _matches(problem: Problem, options: argparse.Namespace) -> bool:
    return (
        _any_fits(problem.case.name, options.case)
        and _any_fits(problem.size, options.size)
        and (options.dtype is None or problem.dtype_name in options.dtype)
        and (options.direction is None or problem.direction in options.direction)
    )


def _any_fits(name: str, patterns: Sequence[str] | None) -> bool:
    return patterns is None or any(fnmatch(name, pattern) for pattern in patterns)
