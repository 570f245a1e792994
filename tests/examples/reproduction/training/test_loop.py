"""The loop over the steps, alone in this process; killed and on several processes: test_programs.py."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from longtail_mix import ClassBalancedWeights, DeferredWeighting
from reproduction.data.task import Images
from reproduction.methods.learner import Learner
from reproduction.methods.sampling import Natural
from reproduction.training.average import Average
from reproduction.training.batch import Batch, Needs
from reproduction.training.batches import Batches, seed_of
from reproduction.training.loop import Plan, Progress, Training, accelerator_for, judge
from reproduction.training.run_folder import RunFolder
from reproduction.training.synchronised import converted, synchronised
from reproduction.training.train import weights_of
from reproduction.training.views import ViewSettings


@pytest.fixture(autouse=True)
def accelerators() -> Iterator[None]:
    """What accelerate keeps in a process is forgotten after the test."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


class Constant(Learner):
    """A loss from a parameter; what is called when is noted."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.needs = Needs(Natural())
        self.value = nn.Parameter(torch.tensor(value))
        self.norm = nn.BatchNorm2d(3)
        self.calls: list[object] = []
        self.after: list[float] = []

    def forward(self, batch: Batch) -> Tensor:
        self.calls.append(torch.rand(()).item())
        return self.value * batch.labelled.views[0].mean()

    def after_step(self) -> None:
        self.calls.append("after")
        self.after.append(self.value.item())

    def set_epoch(self, epoch: int, epochs: int) -> None:
        self.calls.append((epoch, epochs, self.training))

    def predict(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) * self.value


def training(
    folder: Path, value: float, validate: Callable[[Learner], float] | None = None, plan: Plan | None = None
) -> Training:
    learner = Constant(value)
    accelerator = accelerator_for(learner, "no", cpu=True)
    assert synchronised(learner, accelerator) is learner  # one process needs no SyncBatchNorm
    optimizer = torch.optim.SGD(learner.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    images = torch.full((10, 3, 8, 8), 51, dtype=torch.uint8)
    side = Images(images, torch.zeros(10, dtype=torch.int64), tuple("abcdefghij"))
    batches = Batches(side, 1, ViewSettings(8), 5, 0, accelerator.device)
    run_folder = RunFolder(folder, {})
    run_folder.open()
    return Training(accelerator, learner, optimizer, schedule, batches, plan or Plan(3, 7, 0), run_folder, validate)


def final(folder: Path, name: str = "last") -> dict:
    state: dict = torch.load(folder / f"{name}.pt", weights_only=True)
    return state


def test_processes_on_a_cpu_share_no_batch_statistics_and_say_so():
    two = SimpleNamespace(num_processes=2, device=torch.device("cpu"))
    learner = Constant(1.0)
    with pytest.raises(ValueError, match="method: expected no BatchNorm, .* processes on a CPU .*, got one at norm"):
        synchronised(learner, two)
    learner.norm = nn.GroupNorm(1, 3)
    assert synchronised(learner, two) is learner


def test_branches_that_share_a_norm_share_it_when_it_is_synchronised():
    learner = Constant(1.0)
    learner.one, learner.other = nn.Sequential(learner.norm), nn.Sequential(learner.norm, nn.BatchNorm2d(3))
    made = converted(learner)
    assert isinstance(made.norm, nn.SyncBatchNorm)
    assert made.one[0] is made.other[0] is made.norm
    assert made.other[1] is not made.norm
    made.double()  # as a move to a device: buffers are made anew
    assert made.one[0].running_mean is made.other[0].running_mean


def test_a_learner_is_told_its_epochs_and_seeded_at_each_step(tmp_path):
    run = training(tmp_path, 1.0)
    assert run.run().step == 3
    draws = [torch.Generator().manual_seed(seed_of(0, "step", step, 0)) for step in range(3)]
    first, second, third = (torch.rand((), generator=draw).item() for draw in draws)
    assert run.learner.calls == [(0, 7, True), first, "after", second, "after", (1, 7, True), third, "after"]
    assert not (tmp_path / "best.pt").exists()  # nothing was validated


def test_a_loss_that_is_no_number_ends_the_training_and_is_not_saved(tmp_path):
    with pytest.raises(FloatingPointError, match="steps 0 to 1: expected a loss that is a number, got nan"):
        training(tmp_path, float("nan")).run()
    assert not (tmp_path / "last.pt").exists()


def test_the_first_of_the_best_validations_is_kept(tmp_path):
    scores = iter([0.25, 0.5, 0.5, 0.125])
    run = training(tmp_path, 1.0, lambda _: next(scores), Plan(7, 4, 0))
    assert run.run().scores == [(2, 0.25), (4, 0.5), (6, 0.5), (7, 0.125)]
    assert final(tmp_path, "best")["progress"]["step"] == 4
    assert final(tmp_path)["progress"]["step"] == 7
    best, last = (weights_of(tmp_path, keep_best)["value"].item() for keep_best in (True, False))
    assert best == run.learner.after[3]
    assert last == run.learner.after[-1] != best


def test_the_moving_average_is_that_of_a_loop_and_is_what_is_judged(tmp_path):
    judged = []
    run = training(tmp_path, 1.0, lambda learner: judged.append(learner.value.item()) or 0.5, Plan(6, 3, 0, ema=0.75))
    run.run()
    average, expected = 1.0, []
    for value in run.learner.after:
        average = 0.75 * average + 0.25 * value
        expected.append(average)
    assert judged == pytest.approx([expected[1], expected[3], expected[5]], abs=1e-6)
    assert weights_of(tmp_path, keep_best=False)["value"].item() == pytest.approx(expected[-1], abs=1e-6)
    assert weights_of(tmp_path, keep_best=True)["value"].item() == pytest.approx(expected[1], abs=1e-6)
    assert final(tmp_path)["learner"]["value"].item() == run.learner.after[-1]


def test_the_average_leaves_out_what_is_no_tensor():
    """As the epoch that a deferred weighting keeps in its state."""
    learner = Constant(1.0)
    learner.schedule = DeferredWeighting(ClassBalancedWeights([3, 1]), start_epoch=1)
    learner.norm.running_mean += 4
    average = Average(learner, 0.75)
    with torch.no_grad():
        learner.value += 4
        learner.norm.running_mean += 4
        learner.norm.num_batches_tracked += 4
    average.update(learner)
    assert average.learner.value == 2
    assert (average.learner.norm.running_mean == 5).all()
    assert average.learner.norm.num_batches_tracked == 4
    assert not average.learner.training


def test_history_has_each_loss_once_and_each_validation_after_its_step():
    progress = Progress(4, [4.0, 3.0, 2.0, 1.0], [(2, 0.5), (4, 0.75)])
    assert progress.best() == (4, 0.75)
    assert progress.history() == [
        {"step": 0, "loss": 4.0},
        {"step": 1, "loss": 3.0},
        {"step": 2, "validation": 0.5},
        {"step": 2, "loss": 2.0},
        {"step": 3, "loss": 1.0},
        {"step": 4, "validation": 0.75},
    ]
    assert progress.history(2)[0] == {"step": 2, "loss": 2.0}


def test_weights_are_taken_over_as_they_are_where_there_is_no_step(tmp_path):
    assert training(tmp_path, 5.0, plan=Plan(0, 1, 0)).run().step == 0
    assert weights_of(tmp_path, keep_best=True)["value"].item() == 5.0


def test_sigterm_means_what_it_did_after_a_training(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    training(tmp_path, 1.0).run()
    assert signal.getsignal(signal.SIGTERM) is before


def test_who_is_asked_to_end_writes_a_checkpoint_first_and_goes_on_from_it(tmp_path):
    whole = training(tmp_path / "whole", 1.0, plan=Plan(9, 5, 0, report_every=2))
    whole.run()
    run = training(tmp_path / "asked", 1.0, plan=Plan(9, 5, 0, report_every=2))
    run.learner.after_step = lambda: signal.raise_signal(signal.SIGTERM) if run.progress.step == 2 else None
    with pytest.raises(SystemExit) as end:
        run.run()
    assert end.value.code == 128 + signal.SIGTERM
    stopped = final(tmp_path / "asked")["progress"]["step"]
    assert stopped == 4
    AcceleratorState._reset_state(reset_partial_state=True)
    again = training(tmp_path / "asked", 1.0, plan=Plan(9, 5, 0, report_every=2))
    assert again.run().losses == whole.progress.losses
    assert len(again.learner.after) == 9 - stopped
    histories = [(tmp_path / name / "history.jsonl").read_text() for name in ("whole", "asked")]
    assert histories[0] == histories[1]


def test_judging_takes_images_from_0_to_1_in_parts_at_the_size_of_the_views(tmp_path):
    run = training(tmp_path, 2.0)
    images = torch.arange(7 * 3, dtype=torch.uint8).view(7, 3, 1, 1).expand(7, 3, 4, 4)
    side = Images(images, torch.zeros(7, dtype=torch.int64), tuple("abcdefg"))
    for size in (4, 2):
        told = judge(run.accelerator, run.learner, side, size, batch_size=3)
        torch.testing.assert_close(told["logits"], 2 * images[..., 0, 0] / 255)
    assert not run.learner.training
