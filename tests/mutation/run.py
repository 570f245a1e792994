"""One mutant in a forked process: its module is imported changed, then its tests run."""

from __future__ import annotations

import ast
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any, NoReturn

import pytest

from tests.mutation.named import Named
from tests.mutation.sites import sites
from tests.mutation.targets import ROOT, module_name, text_of


@dataclass(frozen=True)
class Mutant:
    """A change of a file, by its number among the file's sites."""

    path: Path
    number: int

    def tree(self) -> ast.Module:
        """The changed module."""
        tree = ast.parse(text_of(self.path))
        sites(tree)[self.number].make()
        return ast.fix_missing_locations(tree)

    def told(self) -> str:
        """What is changed to what."""
        site = sites(ast.parse(text_of(self.path)))[self.number]
        return f"{self.path.relative_to(ROOT)}:{site.line}: {ast.unparse(site.old)}  ->  {ast.unparse(site.new)}"


class Changed(MetaPathFinder):
    """Imports one module from a tree."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002  a finder's form
        """Of that module; no other."""
        if fullname != self.name:
            return None
        return spec_from_file_location(fullname, self.path, loader=_Loader(fullname, str(self.path), self.tree))


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, tree: ast.Module) -> None:
        super().__init__(fullname, path)
        self.tree = tree

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  a loader's form
        code: CodeType = compile(self.tree, self.path, "exec")
        return code


class Failures:
    """A plugin of pytest that writes what fails, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's."""
        self._keep(report.failed, report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file's, which cannot be imported."""
        self._keep(report.failed, f"collection of {report.nodeid}")

    def _keep(self, failed: bool, name: str) -> None:
        if failed:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")


def failures(tests: Sequence[str], seconds: float, mutant: Mutant | Named | None = None) -> list[str]:
    """What fails in a process of its own, the first alone of a mutant; "too long" where it takes more seconds."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "failures")
        process = os.fork()
        if process == 0:
            _child(tests, mutant, told)
        ended = _ended(process, seconds)
        found = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    if ended is None:
        return ["too long"]
    return found or ([] if ended == 0 else [f"status {ended}"])


def _child(tests: Sequence[str], mutant: Mutant | Named | None, told: Path) -> NoReturn:
    os.setsid()
    status = 70
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        options = ["-q", "-p", "no:cacheprovider"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is imported already
        if mutant is not None:
            sys.meta_path.insert(0, Changed(module_name(mutant.path), mutant.path, mutant.tree()))
            options += [
                "-x",
                "-k",
                "not compil and not graph",
            ]  # which takes long, and checks the same values once more
        status = int(pytest.main([*options, *tests], plugins=[Failures(told)]))
    finally:
        os._exit(status)


def _ended(process: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def mutants_of(paths: Sequence[Path]) -> list[Mutant]:
    """Every mutant of the files."""
    return [Mutant(path, number) for path in paths for number in range(len(sites(ast.parse(text_of(path)))))]
