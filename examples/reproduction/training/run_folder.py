"""The folder of one training: what it was, where it is, what came out. What is read again is whole or not there."""

from __future__ import annotations

import fcntl
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import torch

from reproduction.training.atomic_files import save_tensors, write_json, write_text

CONFIG = "config.json"
HISTORY = "history.jsonl"
LOCK = "lock"  # stays where it is: its name is no lock, who holds it is
OWN = (
    "metrics.json",  # the first to go: with it the training would count as done
    HISTORY,
    "environment.json",
    "last.pt",
    "best.pt",
    "validation.pt",
    "test.pt",
    CONFIG,  # the last to go: without it nobody would know whose the others are
)
PACKAGES = ("longtail-mix", "torch", "timm", "kornia", "accelerate", "torchmetrics", "numpy")


class RunFolder:
    """One training's folder; only its main process writes.

    Args:
        path: the folder.
        config: all that decides what comes out, as JSON has it. A folder with another config is another training's.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        self.config: dict[str, Any] = json.loads(json.dumps(config))

    def check(self, start_over: bool = False) -> None:
        """Whether this training may use the folder; changes nothing.

        Raises:
            ValueError: there is something else, another training that is not to be started over, or one that runs.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path}: expected a folder, got a file")
        if not (self.path / CONFIG).exists():
            if self.path.exists() and any(file.name not in (CONFIG + ".part", LOCK) for file in self.path.iterdir()):
                raise ValueError(f"{self.path}: expected an empty folder or a training's, got one without {CONFIG}")
            return
        changes = self._changes(self.path)
        if changes and not start_over:
            raise ValueError(f"{self.path}: expected this training, got another: {changes}; start over, or elsewhere")
        if (self.path / LOCK).exists():
            with (self.path / LOCK).open("rb") as file:
                self._lock(file, fcntl.LOCK_SH)  # all processes of a training may look at once

    def check_seeds(self, replaced: Collection[Path] = ()) -> None:
        """Whether the folders beside it, ``seed-*``, are this training with other seeds: their results are averaged.

        Args:
            replaced: folders that are about to be started over; they may hold anything.

        Raises:
            ValueError: one is not.
        """
        for path in sorted(self.path.parent.glob(f"seed-*/{CONFIG}")):
            changes = self._changes(path.parent, but="seed")
            if changes and path.parent not in replaced:
                raise ValueError(f"{path.parent}: expected this training with another seed, got another: {changes}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else holds the folder meanwhile. The system lets go of it however the process ends.

        Raises:
            ValueError: somebody does.
        """
        with (self.path / LOCK).open("wb") as file:
            self._lock(file, fcntl.LOCK_EX)
            yield

    def _lock(self, file: IO[bytes], kind: int) -> None:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{self.path}: expected a folder nobody trains in, got one that is in use") from error

    def _changes(self, path: Path, but: str | None = None) -> str:
        """In what the config there differs, apart from one option."""
        found = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        names = sorted(n for n in {*found, *self.config} - {but} if found.get(n) != self.config.get(n))
        return ", ".join(f"{n} {found.get(n)} there and {self.config.get(n)} here" for n in names)

    def open(self, start_over: bool = False) -> None:
        """Make the folder, or rid it of what a training leaves, and write the config."""
        self.check(start_over)
        if start_over:
            for name in (*OWN, *(path.name for path in self.path.glob("*-skin-*.pt"))):
                (self.path / name).unlink(missing_ok=True)
                (self.path / f"{name}.part").unlink(missing_ok=True)
            shutil.rmtree(self.path / "logs", ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / CONFIG, self.config)

    def save(self, name: str, state: Mapping[str, Any]) -> None:
        """A checkpoint, with the config."""
        save_tensors(self.path / f"{name}.pt", {**state, "config": self.config})

    def load(self, name: str) -> dict[str, Any] | None:
        """A checkpoint, or None where there is none yet; on the CPU.

        Raises:
            ValueError: it is another training's.
        """
        path = self.path / f"{name}.pt"
        if not path.exists():
            return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state.pop("config") != self.config:
            raise ValueError(f"{path}: expected a checkpoint of the config beside it, got another's")
        return state

    def facts(self) -> dict[str, Any]:
        """What metrics.json says of the finished training, its config and its last start."""
        facts: dict[str, Any] = json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        starts = json.loads((self.path / "environment.json").read_text(encoding="utf-8"))
        return {**facts, "config": self.config, "environment": starts[-1]}

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add lines to the history."""
        with (self.path / HISTORY).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    def write_history(self, records: Sequence[Mapping[str, Any]]) -> None:
        """These lines, instead of what a training that was killed had added since."""
        write_text(self.path / HISTORY, "".join(json.dumps(record) + "\n" for record in records))

    def add_start(self, facts: Mapping[str, Any]) -> None:
        """Note in environment.json with what, where and when the training was started, once for each start."""
        path = self.path / "environment.json"
        starts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        write_json(path, [*starts, {**environment(), **facts}])


def environment() -> dict[str, Any]:
    """The versions, the machine, the command."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(["python", *sys.argv]),
        "revision": revision(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "cuda": torch.version.cuda if gpus else None,
        "gpus": gpus,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def revision() -> str | None:
    """The commit of the checkout, with a plus where files differ from it; None where there is no git."""

    def git(*words: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
