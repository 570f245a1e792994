"""Every program: killed with -9 and resumed to the same bits, two processes as one, errors that are one line.

`LONGTAIL_MIX_KILL=all` kills every method of every program; without it one of each kind, as all take minutes.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

import compare
from reproduction.reports.program import run
from reproduction.training.study import plan

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
PROGRAMS = [path.stem for path in sorted(EXAMPLES.glob("*.py")) if "reproduction.reports.program" in path.read_text()]
EVERY = [f"{program}:{method}" for program in PROGRAMS for method in import_module(program).ROWS]
# A kind each: a mix with maps, another one's weights, two views and a queue.
KILLED = ["compare:balanced-softmax+patch-swap", "compare:post-hoc", "lsm:ldam-drw+lsm", "spmix:paco"]
RANKS = [
    "care:csl+care",
    "compare:balanced-softmax+patch-swap",
    "lsm:ce+lsm",
    "segmenter:lraspp",
    "spmix:spmix",
    "weighting:hierarchical-focal-ohem",
]
if os.environ.get("LONGTAIL_MIX_KILL") == "all":
    KILLED = EVERY


Ask = Callable[[str], dict[str, Any]]


@contextmanager
def asked(folder: Path, mode: str) -> Iterator[Ask]:
    """Ask a process of program_runs.py, which has imported everything, what came out of one row."""
    paths = [str(EXAMPLES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "program_runs.py"), str(folder), mode]
    said = folder / "stderr"
    with (
        said.open("w") as errors,
        subprocess.Popen(command, env=environment, text=True, stdin=PIPE, stdout=PIPE, stderr=errors) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        words, answers = process.stdin, process.stdout

        def ask(pair: str) -> dict[str, Any]:
            words.write(f"{pair}\n")
            words.flush()
            found: dict[str, Any] = json.loads(answers.readline() or '{"error": "the process ended"}')
            assert "error" not in found, f"{found['error']}\n{said.read_text()[-5000:]}"
            return found

        yield ask
        words.close()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    with asked(tmp_path_factory.mktemp("kill"), "kill") as ask:
        yield ask


@pytest.fixture(scope="module")
def on_ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    with asked(tmp_path_factory.mktemp("ranks"), "ranks") as ask:
        yield ask


@pytest.mark.parametrize("pair", KILLED)
def test_killed_at_five_random_moments_and_resumed_it_is_the_same_to_the_bit(killed, pair):
    found = killed(pair)
    assert found["ends"] == [0, *[-9] * 6, 0]  # the first one while it wrote a checkpoint
    assert found["different"] == []
    assert found["tensors"] >= 2  # checkpoints and what was told of the images were compared
    assert found["steps"] >= 1


@pytest.mark.parametrize("pair", RANKS)
def test_two_processes_are_one(on_ranks, pair):
    found = on_ranks(pair)
    assert found["ends"] == [0, 0, 0, 143, 143, 0]
    assert found["processes"] == [1, 2]
    one, two, moved = found["losses"]
    assert len(one) >= 10
    assert two == pytest.approx(one, rel=1e-5, abs=1e-7)
    assert moved == pytest.approx(one, rel=1e-5, abs=1e-7)  # two that were asked to end and went on as one


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_short_and_its_rows_and_forms_are_its_own(program):
    module = import_module(program)
    assert len((EXAMPLES / f"{program}.py").read_text().splitlines()) <= 150
    first = next(iter(module.FORMS.values()))[1]
    assert set(first.methods) <= set(module.ROWS)
    assert len({study.out for _, study in module.FORMS.values()}) == len(module.FORMS)  # no two forms in one folder


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_has_a_form_that_takes_minutes_on_isic_2018(program):
    module = import_module(program)
    study = module.FORMS["isic2018-short"][1]
    assert len(study.methods) <= 3
    assert study.seeds == (0,)
    assert study.recipe.images == 1600
    assert "isic2018" in repr(study.data).lower()
    if program != "segmenter":  # whose networks bring no weights
        assert study.recipe == replace(module.FORMS["isic2018"][1].recipe, images=1600)
        assert study.recipe.backbone.weights == "package"
    rows = getattr(module, "ROWS_OF", {}).get("isic2018-short", module.ROWS)
    assert {run.name for run in plan(study, rows)} >= set(study.methods)


REFUSED = [
    (["--methods", "ce", "lsm"], 1, "compare.py: methods: expected some of ce, .*, got lsm"),
    (["--recipe.images", "3"], 1, "compare.py: images: expected at least a batch, 64, got 3"),
    (["--recipe.backbone.name", "resnet51"], 1, "compare.py: backbone: expected tiny_hybrid, .*; got 'resnet51'"),
    (["--recipe.views.flip", "2"], 2, "flip: expected 0 to 1, got 2.0"),
    (["--recipe.images", "many"], 2, "images.*many|many.*images"),
    (["--no-such-option"], 2, "no-such-option"),
    (["isic2018", "--data.root", "{none}"], 1, "compare.py: .*none: not found; expected the layout of ISIC 2018"),
    (["--out", "{used}"], 1, "compare.py: .*expected an empty folder or a training's, got one without config.json"),
]


@pytest.mark.parametrize(("words", "status", "message"), REFUSED)
def test_what_cannot_work_is_one_readable_message(words, status, message, tmp_path, monkeypatch, capfd):
    used = tmp_path / "used" / "ce" / "seed-0"
    used.mkdir(parents=True)
    (used / "thesis.tex").touch()
    words = [word.format(none=tmp_path / "none", used=tmp_path / "used") for word in words]
    if "--out" not in words:
        words += ["--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["examples/compare.py", *words])
    with pytest.raises(SystemExit) as end:
        run(compare.__doc__, compare.ROWS, compare.FORMS)
    said = end.value.code if isinstance(end.value.code, str) else "".join(capfd.readouterr())
    assert (1 if isinstance(end.value.code, str) else end.value.code) == status
    assert re.search(message, " ".join(said.replace("│", " ").split()))
    assert not (tmp_path / "out" / "ce" / "seed-0" / "last.pt").exists()
