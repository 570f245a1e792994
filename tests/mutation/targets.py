"""Which code is changed, and which tests are to see it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = {
    "src": [
        *("mixing/**/*.py", "losses/*.py", "weighting/*.py", "sampling/*.py", "saliency/*.py", "regions.py"),
        "data/splits.py",
    ],
    "examples": [
        *("reproduction/methods/*.py", "reproduction/criteria/*.py", "reproduction/mixes/*.py"),
        *("reproduction/training/*_studies.py", "reproduction/training/real_forms.py"),
        *("spmix.py", "care.py", "lsm.py", "weighting.py", "segmenter.py", "compare.py"),
    ],
}
BASE = {"src": ROOT / "src/longtail_mix", "examples": ROOT / "examples"}
# They start processes of their own, which import the code as it is, or take minutes.
NOT_RUN = ("*_triton.py", "test_programs.py", "test_distributed.py", "test_ranks.py", "test_trainers.py")


def files(part: str) -> list[Path]:
    """The files of a part that can be changed."""
    found = [path for pattern in TARGETS[part] for path in sorted(BASE[part].glob(pattern))]
    return [path for path in found if path.name != "__init__.py" and not path.match("_*_triton.py")]


def module_name(path: Path) -> str:
    """The name that a file is imported by."""
    base = ROOT / "src" if path.is_relative_to(ROOT / "src") else ROOT / "examples"
    return ".".join(path.relative_to(base).with_suffix("").parts)


def relevant(path: Path) -> list[Path]:
    """The tests that import a file or name something of it, its own place first, six at most.

    Where no test does, those of the files beside it that import it; where there is none either, those of its place.
    """
    inside = path.is_relative_to(ROOT / "src")
    top = path.relative_to(BASE["src"]).parts[0].removesuffix(".py") if inside else "examples"
    home = ROOT / "tests" / top if (ROOT / "tests" / top).is_dir() else ROOT / "tests"
    tests = [test for test in sorted(home.rglob("test_*.py")) if not any(test.match(name) for name in NOT_RUN)]
    found = [test for test in tests if words(path).search(text_of(test))]
    if not found:
        users = [user for user in path.parent.glob("*.py") if f"{module_name(path)} import" in text_of(user)]
        found = [test for test in tests if any(words(user).search(text_of(test)) for user in users)]
    found = found or [test for test in tests if test.parent.name == path.parent.name]
    return sorted(found, key=lambda test: (path.stem not in test.stem, test.parent.name != path.parent.name))[:6]


@cache
def words(path: Path) -> re.Pattern[str]:
    """An import of a file; of the library, which is not imported by file, also its public functions and classes."""
    tree, name = ast.parse(text_of(path)), module_name(path)
    named = [rf"\bimport {name}$", rf"\bfrom {name} import"]
    if path.is_relative_to(ROOT / "src"):
        defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        named += [rf"\b{word}\b" for word in defined if not word.startswith("_")]
    return re.compile("|".join(named), re.MULTILINE)


@cache
def text_of(path: Path) -> str:
    """What is in a file."""
    return path.read_text(encoding="utf-8")
