"""What trained methods say of the validation or the test side, and of that side's lesions on other skin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reproduction.data.skin import on_other_skin
from reproduction.data.task import Images, Task
from reproduction.methods.learner import Told
from reproduction.training.atomic_files import save_tensors
from reproduction.training.loop import accelerator_for, judge
from reproduction.training.study import Planned, Study
from reproduction.training.train import built, weights_of


@dataclass(frozen=True)
class Judged:
    """What a trained method says of a side."""

    name: str
    seed: int
    told: Told = field(repr=False)  # what its learner tells of each image
    side: Images = field(repr=False)
    facts: dict[str, Any] = field(repr=False)  # metrics.json of the training
    swapped: tuple[Tensor, ...] = field(default=(), repr=False)  # logits of the same lesions on other skin

    @property
    def logits(self) -> Tensor:
        """[N, K], of a classifier."""
        return self.told["logits"]


def judge_all(study: Study, runs: Sequence[Planned]) -> list[Judged]:
    """What every trained method says of the validation or the test side, and of that side on other skin."""
    name = "test" if study.test else "validation"
    judged: dict[Path, Judged] = {}
    for seed in dict.fromkeys(run.seed for run in runs):
        task = study.data.task(study.recipe.frame, seed)
        side = task.test() if study.test else task.validation
        assert side is not None  # or it would have been refused
        sides = {name: lambda side=side: side}
        sides |= {f"{name}-skin-{swap}": cache(partial(on_other_skin, side, swap)) for swap in range(study.swaps)}
        for run in (run for run in runs if run.seed == seed):
            told = {kind: kept_told(study, run, task, load, kind) for kind, load in sides.items()}
            swapped = tuple(told[kind]["logits"] for kind in told if kind != name)
            judged[run.folder.path] = Judged(run.name, seed, told[name], side, run.folder.facts(), swapped)
    return [judged[run.folder.path] for run in runs]


def kept_told(study: Study, run: Planned, task: Task, load: Callable[[], Images], name: str) -> Told:
    """What the trained learner tells of some images; kept beside its weights."""
    path = run.folder.path / f"{name}.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        return {name: value for name, value in kept.items() if name not in ("labels", "groups")}
    side = load()
    learner, _ = built(study, replace(run, first=None), task)
    learner.load_state_dict(weights_of(run.folder.path, study.recipe.keep_best))
    accelerator = accelerator_for(learner, study.recipe.precision, study.device == "cpu")
    learner = learner.to(accelerator.device).to(memory_format=torch.channels_last)
    told = judge(accelerator, learner, side, study.recipe.views.size, study.recipe.batch_size)
    save_tensors(path, {**told, "labels": side.labels, "groups": list(side.groups)})
    return told
