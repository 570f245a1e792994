"""What a file of results says of itself: a command that names its program, a revision of this history or why not."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "docs" / "results").glob("*.json"), *(ROOT / "benchmarks" / "results").glob("*.json")])


def origins(content: object) -> Iterator[dict[str, Any]]:
    """Each part of a file that says how it was made."""
    if isinstance(content, dict):
        if "command" in content:
            yield content
        for part in content.values():
            yield from origins(part)


def git(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def history() -> None:
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("needs a git checkout with its history")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_command_names_its_program(path):
    found = list(origins(json.loads(path.read_text(encoding="utf-8"))))
    assert found
    for origin in found:
        assert origin["command"].startswith(("python examples/", "python -m benchmarks ", "python -m benchmarks."))
        assert not origin["command"].split("benchmarks")[-1].startswith(" --"), "which command?"


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_revision_is_in_the_history(path):
    for origin in origins(json.loads(path.read_text(encoding="utf-8"))):
        revision = (origin.get("revision") or "").removesuffix("-dirty")
        is_there = revision and git("merge-base", "--is-ancestor", revision, "HEAD").returncode == 0
        assert is_there or not revision or origin.get("revision_note"), (
            f"{revision} is not, and no revision_note says why"
        )
