"""Another revision of the library in a git worktree, and a process that runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Process", "RefusalError", "checkout", "started"]

ROOT = Path(__file__).resolve().parents[2]


class RefusalError(Exception):
    """A revision cannot do what it was asked for."""


@contextmanager
def checkout(revision: str, repository: Path = ROOT) -> Iterator[Path]:
    """The files of a revision in a folder of their own, while it lasts."""
    with tempfile.TemporaryDirectory(prefix="longtail_mix_") as folder:
        tree = Path(folder) / "tree"
        _git(repository, "worktree", "add", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            _git(repository, "worktree", "remove", "--force", str(tree))


def _git(repository: Path, *arguments: str) -> None:
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusalError(f"git {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def started(tree: Path, options: Sequence[str]) -> Iterator[Process]:
    """A process with the library of `tree` and the benchmarks of here."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "benchmarks.speed.worker", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        try:
            yield Process(process, tree)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


class Process:
    """Words to a worker and its answers."""

    def __init__(self, process: subprocess.Popen[str], tree: Path) -> None:
        self.process = process
        library = Path(self._answer()["library"])
        if tree.resolve() not in library.resolve().parents:
            raise RefusalError(f"expected the library of {tree}, got {library}")

    def ask(self, **word: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(word) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RefusalError("the process ended; what it wrote above says why")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RefusalError(answer["error"])
        return answer
