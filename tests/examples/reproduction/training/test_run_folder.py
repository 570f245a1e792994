import json
from pathlib import Path

import pytest
import torch

from reproduction.training.run_folder import OWN, RunFolder, environment

CONFIG = {"method": "ce", "seed": 0, "scale": (0.2, 1.0)}


@pytest.fixture
def folder(tmp_path):
    opened = RunFolder(tmp_path / "run", CONFIG)
    opened.open()
    return opened


def test_the_same_config_may_use_the_folder_again_and_finds_its_checkpoint(folder):
    assert folder.load("last") is None
    folder.save("last", {"step": 3, "weights": torch.ones(2)})
    again = RunFolder(folder.path, dict(CONFIG))
    again.check()
    again.open()
    state = again.load("last")
    assert sorted(state) == ["step", "weights"]
    assert state["step"] == 3


def test_another_config_is_refused_with_what_differs(folder):
    other = RunFolder(folder.path, CONFIG | {"seed": 1, "extra": None, "method": "bcl"})
    with pytest.raises(ValueError, match="expected this training, got another: method ce there and bcl here, seed 0"):
        other.check()
    with pytest.raises(ValueError, match="expected this training"):
        other.open()


def test_a_checkpoint_of_another_config_is_refused(folder):
    other = RunFolder(folder.path.with_name("other"), CONFIG | {"seed": 1})
    other.open()
    other.save("last", {"step": 3})
    (other.path / "last.pt").replace(folder.path / "last.pt")
    with pytest.raises(ValueError, match="last.pt: expected a checkpoint of the config beside it"):
        folder.load("last")


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(ValueError, match="expected an empty folder or a training's, got one without config.json"):
        RunFolder(tmp_path, CONFIG).open(start_over=True)
    with pytest.raises(ValueError, match="thesis.tex: expected a folder, got a file"):
        RunFolder(tmp_path / "thesis.tex", CONFIG).check()
    assert (tmp_path / "thesis.tex").read_text() == "all of it"
    assert len(list(tmp_path.iterdir())) == 1


def test_starting_over_removes_what_a_training_leaves_and_nothing_else(folder):
    for name in ("last.pt", "best.pt", "best.pt.part", "metrics.json", "history.jsonl", "notes.txt"):
        (folder.path / name).write_text("x")
    (folder.path / "logs").mkdir()
    RunFolder(folder.path, CONFIG | {"seed": 1}).open(start_over=True)
    assert {path.name for path in folder.path.iterdir()} == {"config.json", "notes.txt"}
    assert json.loads((folder.path / "config.json").read_text())["seed"] == 1


def test_a_training_half_started_over_does_not_count_as_done(folder, monkeypatch):
    for name in OWN[:-1]:
        (folder.path / name).write_text("x")
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.open(start_over=True)
    assert not (folder.path / "metrics.json").exists()


def test_a_folder_somebody_trains_in_is_refused_until_they_end(folder):
    other = RunFolder(folder.path, CONFIG)
    with folder.held():
        for ask in (other.check, lambda: other.open(start_over=True), lambda: other.held().__enter__()):
            with pytest.raises(ValueError, match="expected a folder nobody trains in, got one that is in use"):
                ask()
    other.check()
    other.open(start_over=True)
    with other.held():
        pass


def test_seeds_of_one_name_are_of_one_training(tmp_path):
    seed, path = {"seed": 1}, tmp_path / "ce" / "seed-1"
    RunFolder(tmp_path / "ce" / "seed-0", CONFIG).open()
    RunFolder(path, CONFIG | seed).check_seeds()
    RunFolder(tmp_path / "bcl" / "seed-1", CONFIG | seed | {"method": "bcl"}).check_seeds()
    another = RunFolder(path, CONFIG | seed | {"method": "bcl"})
    with pytest.raises(ValueError, match="seed-0: expected this training with another seed, got another: method ce th"):
        another.check_seeds()
    another.check_seeds([tmp_path / "ce" / "seed-0"])


def test_history_goes_on_from_what_it_is_told(folder):
    folder.append([{"step": 0, "loss": 1.5}, {"step": 1, "loss": 1.0}])
    folder.write_history([{"step": 0, "loss": 1.5}])
    folder.append([{"step": 1, "loss": 1.25}])
    lines = (folder.path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [1.5, 1.25]


def test_every_start_is_noted(folder, monkeypatch):
    folder.add_start({"processes": 1})
    folder.add_start({"processes": 2})
    starts = json.loads((folder.path / "environment.json").read_text())
    assert [start["processes"] for start in starts] == [1, 2]
    assert starts[0]["versions"]["torch"] == torch.__version__.split("+")[0]
    assert starts[0]["command"].startswith("python ")
    monkeypatch.setenv("PATH", "")
    assert environment()["revision"] is None
