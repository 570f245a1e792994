"""The loop over the steps, with accelerate: mixed precision, several GPUs, several machines; killed and resumed.

A checkpoint holds the weights, the optimizer, the schedule, the scaler and the losses so far, and no generator: what is
random in step n follows from the seed and n (and, inside the network, the process). So a training that is killed at any
moment and started again gives the losses and the weights it would have given. On a CPU to the bit; on a GPU as far as
its kernels repeat themselves.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from reproduction.data.task import Images
from reproduction.methods.learner import Learner, Told
from reproduction.training.average import Average
from reproduction.training.batches import Batches, seed_of
from reproduction.training.run_folder import RunFolder


@dataclass(frozen=True)
class Plan:
    """How long to train, and how often to look up from it."""

    steps: int
    epochs: int  # what the learner is told; the last may be cut short by `steps`
    seed: int
    ema: float = 0.0  # decay of the moving average of the weights that is judged; 0: the weights themselves are
    checkpoint_every: int = 200  # steps; and at each epoch's end
    report_every: int = 20


@dataclass
class Progress:
    """How far a training is."""

    step: int = 0
    losses: list[float] = field(default_factory=list, repr=False)  # of each step, over all processes
    scores: list[tuple[int, float]] = field(default_factory=list)  # step, balanced accuracy on the validation side
    seconds: float = 0.0  # in steps; without validation and checkpoints

    def best(self) -> tuple[int, float]:
        """The first of the best validations."""
        return max(self.scores, key=lambda score: score[1])

    def history(self, first: int = 0) -> list[dict[str, float]]:
        """The losses from a step on, a record each, and the validations after the steps they came after."""
        records = [(step, 0, {"step": step, "loss": loss}) for step, loss in enumerate(self.losses) if step >= first]
        scores = [(step, -1, {"step": step, "validation": score}) for step, score in self.scores if step > first]
        return [record for *_, record in sorted(records + scores, key=lambda item: item[:2])]


def accelerator_for(
    learner: Learner, precision: str, cpu: bool, tracker: str | None = None, logs: Path | None = None
) -> Accelerator:
    """What knows of processes, devices, precision and trackers, for one training."""
    handler = DistributedDataParallelKwargs(find_unused_parameters=learner.find_unused_parameters)
    return Accelerator(
        mixed_precision=precision, cpu=cpu, kwargs_handlers=[handler], log_with=tracker, project_dir=logs
    )


class Training:
    """A learner on its way through its steps; :meth:`run` takes up what the folder's checkpoint says.

    Args:
        accelerator: from :func:`accelerator_for`.
        learner: on the accelerator's device, :func:`synchronised`.
        optimizer: of its parameters.
        schedule: stepped once a step.
        batches: what the steps see.
        plan: how long.
        folder: where checkpoints and history go; opened.
        validate: the score of a learner, in evaluation mode; the more the better. None: the last is the best.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        learner: Learner,
        optimizer: Optimizer,
        schedule: LRScheduler,
        batches: Batches,
        plan: Plan,
        folder: RunFolder,
        validate: Callable[[Learner], float] | None = None,
    ) -> None:
        self.accelerator, self.learner, self.batches, self.plan = accelerator, learner, batches, plan
        self.folder, self.validate, self.schedule = folder, validate, schedule
        self.progress = Progress()
        self._parts: dict[str, Any] = {"learner": learner, "optimizer": optimizer, "schedule": schedule}
        self.judged = learner
        self._average = None
        if plan.ema:
            self._average = Average(learner, plan.ema)
            self._parts["judged"] = self.judged = self._average.learner
        self.model, self.optimizer = accelerator.prepare(learner, optimizer)
        if accelerator.scaler is not None:
            self._parts["scaler"] = accelerator.scaler
        self._recent: list[Tensor] = []  # losses that have not left the device
        self._mark = 0.0

    def run(self) -> Progress:
        """Train to the end.

        Raises:
            FloatingPointError: no loss of late was a number.
            SystemExit: the process was asked to end (SIGTERM); a checkpoint was written first.
        """
        self._resume()
        main = self.accelerator.is_main_process
        per_epoch, size = self.batches.steps_per_epoch, self.batches.batch_size
        with (
            asked_to_end() as asked,
            tqdm(
                desc="/".join(self.folder.path.parts[-2:]),
                total=self.plan.steps * size,
                initial=self.progress.step * size,
                unit=" images",
                disable=not main,
            ) as bar,
        ):
            self._mark, epoch = time.perf_counter(), -1
            while self.progress.step < self.plan.steps:
                step = self.progress.step
                if step // per_epoch != epoch:
                    epoch = step // per_epoch
                    self._begin_epoch(epoch)
                self._recent.append(self._step(step))
                self.progress.step = step = step + 1
                bar.update(size)
                epoch_ends = step % per_epoch == 0 or step == self.plan.steps
                saves = epoch_ends or step % self.plan.checkpoint_every == 0
                if saves or step % self.plan.report_every == 0:
                    ending = self._report(bool(asked), bar)
                    if epoch_ends:
                        self._validate()
                    if saves or ending:
                        self._save("last")
                        self._mark = time.perf_counter()
                    if ending:
                        raise SystemExit(128 + signal.SIGTERM)
        if not self.plan.steps:  # the weights of another training, taken over as they are
            self._save("last")
        return self.progress

    def _begin_epoch(self, epoch: int) -> None:
        self.learner.train()
        self.learner.set_epoch(epoch, self.plan.epochs)
        self.batches.set_epoch(self.learner.needs, epoch)

    def _step(self, step: int) -> Tensor:
        # Dropout and its like: their own in each process, the same again after a resume.
        torch.manual_seed(seed_of(self.plan.seed, "step", step, self.accelerator.process_index))
        loss: Tensor = self.model(self.batches.draw(step))
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        if not self.accelerator.optimizer_step_was_skipped:  # by the scaler of fp16, as a gradient overflowed
            self.schedule.step()
            self.learner.after_step()
            if self._average is not None:
                self._average.update(self.learner)
        return loss.detach()

    def _report(self, asked: bool, bar: tqdm[Any]) -> bool:
        """Fetch the losses of late; whether any process was asked to end."""
        told = torch.stack([*self._recent, self._recent[0].new_tensor(float(asked))]).double()
        *losses, ending = self.accelerator.reduce(told, "mean").tolist()
        self._recent.clear()
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        first, last = len(self.progress.losses), self.progress.step
        self.progress.losses += losses
        self.progress.seconds += seconds
        finite = [loss for loss in losses if math.isfinite(loss)]
        if not finite:
            raise FloatingPointError(f"steps {first} to {last - 1}: expected a loss that is a number, got {losses[-1]}")
        mean = sum(finite) / len(finite)
        bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
        if self.accelerator.is_main_process:
            self.folder.append(self.progress.history(first))
        rate = {"images_per_second": (last - first) * self.batches.batch_size / seconds}
        learning = {"learning_rate": self.schedule.get_last_lr()[0]}
        self.accelerator.log({"loss": mean, **learning, **rate}, step=last)
        return bool(ending > 0)

    def _validate(self) -> None:
        if self.validate is None:
            return
        step, score = self.progress.step, self.validate(self.judged)
        self.progress.scores.append((step, score))
        self.accelerator.log({"validation": score}, step=step)
        if self.accelerator.is_main_process:
            self.folder.append([{"step": step, "validation": score}])
        if self.progress.best()[0] == step:
            self._save("best")

    def _save(self, name: str) -> None:
        if self.accelerator.is_main_process:
            parts = {part: owner.state_dict() for part, owner in self._parts.items()}
            self.folder.save(name, {**parts, "progress": vars(self.progress)})

    def _resume(self) -> None:
        state = self.folder.load("last")
        if state is not None:
            for part, owner in self._parts.items():
                owner.load_state_dict(state[part])
            self.progress = Progress(**state["progress"])
        steps = self.accelerator.gather(torch.tensor([self.progress.step], device=self.accelerator.device)).tolist()
        if len(set(steps)) > 1:
            raise RuntimeError(f"{self.folder.path}: expected a folder all machines share, got checkpoints {steps}")
        if self.accelerator.is_main_process:
            self.folder.write_history(self.progress.history())


@contextmanager
def asked_to_end() -> Iterator[list[int]]:
    """A list with the signals that asked the process to end since; it does not end of itself."""
    signals: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before)


@torch.no_grad()
def judge(accelerator: Accelerator, learner: Learner, side: Images, size: int, batch_size: int) -> Told:
    """What a learner tells of whole images at `size`, on the CPU; the same in every process, as each sees them all."""
    learner.eval()

    def told(rows: Tensor) -> Told:
        part = side.rows(rows).to(accelerator.device)
        whole = part.images / 255
        if whole.shape[-1] != size:
            whole = F.interpolate(whole, (size, size), mode="bilinear", antialias=True)
        return {name: value.float().cpu() for name, value in learner.examine(whole, part).items()}

    with accelerator.autocast():
        parts = [told(rows) for rows in torch.arange(len(side)).split(batch_size)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
