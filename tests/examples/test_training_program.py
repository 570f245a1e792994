"""Killed and resumed, one process and two: the same losses and weights. The trainings are in framework_runs.py."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from framework_batch import Batch, Needs, natural
from framework_data import Batches, Frames, seed_of
from framework_methods import Method
from run_folder import RunFolder
from torch import Tensor, nn
from training_program import Plan, Training, accelerator_for, judge, synchronised
from views import ViewSettings

RUNS = Path(__file__).with_name("framework_runs.py")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with one folder for each training."""
    folder = tmp_path_factory.mktemp("runs")
    paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(RUNS.parents[2] / "examples")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(RUNS), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder / "stderr").write_text(done.stderr)
    return folder


def ends(runs: Path, name: str) -> list[int]:
    found: list[int] = json.loads((runs / "ends.json").read_text())[name]
    return found


def final(folder: Path, name: str = "last") -> dict:
    state: dict = torch.load(folder / f"{name}.pt", weights_only=True)
    state["progress"]["seconds"] = 0.0  # nobody promises those
    return state


def assert_same(state: object, other: object) -> None:
    """To the bit, tensors in dictionaries and lists."""
    if isinstance(state, dict):
        assert isinstance(other, dict)
        assert list(state) == list(other)
        for name in state:
            assert_same(state[name], other[name])
    elif isinstance(state, list):
        assert isinstance(other, list)
        for one, another in zip(state, other, strict=True):
            assert_same(one, another)
    elif isinstance(state, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        torch.testing.assert_close(state, other, rtol=0, atol=0)
    else:
        assert state == other


@pytest.mark.parametrize("name", ["killed", "writer_1", "writer_3", "writer_4", "writer_10", "asked"])
def test_a_training_that_was_stopped_gives_what_it_would_have_given(runs, name):
    *stops, end = ends(runs, name)
    assert end == 0
    assert stops
    assert set(stops) == {128 + 15 if name == "asked" else -9}
    for checkpoint in ("last", "best"):
        assert_same(final(runs / name, checkpoint), final(runs / "whole", checkpoint))
    assert (runs / name / "history.jsonl").read_text() == (runs / "whole" / "history.jsonl").read_text()


def test_checkpoints_never_hold_half_a_file_and_none_is_left_over(runs):
    for folder in (path for path in runs.iterdir() if path.is_dir() and path.name != "command"):
        assert {path.name for path in folder.iterdir()} == {"config.json", "history.jsonl", "last.pt", "best.pt"}


def test_the_best_checkpoint_is_the_first_with_the_highest_score(runs):
    scores = final(runs / "whole")["progress"]["scores"]
    assert [step for step, _ in scores] == [7, 14, 21, 28, 35, 40]  # 61 images, 8 a step; the last epoch is short
    best = final(runs / "whole", "best")["progress"]
    assert best["step"] == max(scores, key=lambda score: score[1])[0]
    assert best["scores"][-1] == max(scores, key=lambda score: score[1])


@pytest.mark.parametrize("name", ["two", "moved"])
def test_two_processes_are_one(runs, name):
    """SPMix whole, the queue full after four steps: the same curve at the same global batch. Measured: 2e-7."""
    assert ends(runs, "one") == [0]
    assert ends(runs, name) == ([0, 0] if name == "two" else [143, 143, 0])
    one, other = (final(runs / run) for run in ("one", name))
    curve, other_curve = (torch.tensor(state["progress"]["losses"]) for state in (one, other))
    assert len(curve) == 16
    torch.testing.assert_close(other_curve, curve, rtol=1e-5, atol=0)
    assert [step for step, _ in other["progress"]["scores"]] == [7, 14, 16]
    for weight, same in zip(one["method"].values(), other["method"].values(), strict=True):
        if weight.dim() and len(weight) == 32 and weight.dim() <= 2:  # the queue has a batch in the ranks' order
            weight, same = weight.sort(0).values, same.sort(0).values
        torch.testing.assert_close(same, weight, rtol=1e-3, atol=1e-4)


def test_the_command_gives_on_two_processes_what_it_gives_on_one(runs):
    assert ends(runs, "command") == [0, 0, 0]
    one, two = (
        json.loads((runs / "command" / name / "spmix-paper" / "seed-0" / "metrics.json").read_text())
        for name in ("one", "two")
    )
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["metrics"]["spmix-paper"]["recall"] == two["metrics"]["spmix-paper"]["recall"]
    assert one["validation"] == two["validation"]
    assert (runs / "command" / "two" / "metrics.json").exists()


def test_lower_precision_runs_on_two_processes(runs):
    assert ends(runs, "bf16") == [0, 0]
    lower, full = (final(runs / run)["progress"]["losses"][0] for run in ("bf16", "one"))
    assert lower != full
    assert lower == pytest.approx(full, rel=0.02)


@pytest.fixture
def accelerators() -> Iterator[None]:
    """What accelerate keeps in a process is forgotten after the test."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


class Constant(Method):
    """A loss from a parameter; what is called when is noted."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.needs = Needs(natural)
        self.value = nn.Parameter(torch.tensor(value))
        self.norm = nn.BatchNorm2d(3)
        self.calls: list[object] = []

    def forward(self, batch: Batch) -> Tensor:
        self.calls.append(torch.rand(()).item())
        return self.value * batch.labelled.views[0].mean()

    def after_step(self) -> None:
        self.calls.append("after")

    def set_epoch(self, epoch: int, epochs: int) -> None:
        self.calls.append((epoch, epochs, self.training))

    def predict(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) * self.value


def training(folder: Path, value: float, validate: Callable[[], float] | None = None) -> Training:
    method = Constant(value)
    accelerator = accelerator_for(method, "no", cpu=True)
    assert synchronised(method, accelerator) is method  # one process needs no SyncBatchNorm
    optimizer = torch.optim.SGD(method.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    images = torch.full((10, 3, 8, 8), 51, dtype=torch.uint8)
    batches = Batches(Frames(images, torch.zeros(10, dtype=torch.int64)), 1, ViewSettings(8), 5, 0, accelerator.device)
    run_folder = RunFolder(folder, {})
    run_folder.open()
    return Training(accelerator, method, optimizer, schedule, batches, Plan(3, 7, 0), run_folder, validate)


@pytest.mark.usefixtures("accelerators")
def test_a_method_is_told_its_epochs_and_seeded_at_each_step(tmp_path):
    run = training(tmp_path, 1.0)
    assert run.run().step == 3
    draws = [torch.Generator().manual_seed(seed_of(0, "step", step, 0)) for step in range(3)]
    first, second, third = (torch.rand((), generator=draw).item() for draw in draws)
    assert run.method.calls == [(0, 7, True), first, "after", second, "after", (1, 7, True), third, "after"]
    assert not (tmp_path / "best.pt").exists()  # nothing was validated


@pytest.mark.usefixtures("accelerators")
def test_a_loss_that_is_no_number_ends_the_training_and_is_not_saved(tmp_path):
    with pytest.raises(FloatingPointError, match="steps 0 to 1: expected a loss that is a number, got nan"):
        training(tmp_path, float("nan")).run()
    assert not (tmp_path / "last.pt").exists()


@pytest.mark.usefixtures("accelerators")
def test_the_score_is_that_of_evaluation_mode_and_the_first_best_is_kept(tmp_path):
    modes = []

    def validate() -> float:
        modes.append(run.method.training)
        return 0.5

    run = training(tmp_path, 1.0, validate)
    assert run.run().scores == [(2, 0.5), (3, 0.5)]
    assert modes == [False, False]
    assert final(tmp_path, "best")["progress"]["step"] == 2


@pytest.mark.usefixtures("accelerators")
def test_sigterm_means_what_it_did_after_a_training(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    training(tmp_path, 1.0).run()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("accelerators")
def test_judging_takes_images_from_0_to_1_in_parts(tmp_path):
    run = training(tmp_path, 2.0)
    images = torch.arange(7 * 3, dtype=torch.uint8).view(7, 3, 1, 1)
    logits = judge(run.accelerator, run.method, images, batch_size=3)
    torch.testing.assert_close(logits, 2 * images[..., 0, 0] / 255)
