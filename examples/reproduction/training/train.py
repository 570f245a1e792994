"""One training of a study, from its beginning or its checkpoint to its metrics.json."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState

from reproduction.data.maps import with_maps
from reproduction.data.task import Task
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.training.atomic_files import write_json
from reproduction.training.batches import Batches, seed_of
from reproduction.training.loop import Plan, Progress, Training, accelerator_for, judge
from reproduction.training.recipe import Recipe
from reproduction.training.study import Planned, Study
from reproduction.training.synchronised import synchronised


def train(study: Study, run: Planned) -> None:
    """One training from its beginning or its checkpoint to its metrics.json."""
    main = PartialState(cpu=study.device == "cpu").is_main_process
    alone: AbstractContextManager[None] = run.folder.held() if main else nullcontext()
    with alone:
        _train(study, run)


def _train(study: Study, run: Planned) -> None:
    recipe, folder = study.recipe, run.folder
    task = study.data.task(recipe.frame, run.seed)
    frames = task.train
    if run.method.maps is not None:
        frames = with_maps(frames, run.method.maps, torch.device(study.device))
    learner, setting = built(study, run, task)
    accelerator = accelerator_for(learner, recipe.precision, study.device == "cpu", study.tracker, folder.path / "logs")
    if study.frames_on == "device" or (study.frames_on is None and frames.fit(accelerator.device)):
        frames = frames.to(accelerator.device)
    learner = synchronised(learner, accelerator).to(accelerator.device).to(memory_format=torch.channels_last)
    views = replace(run.method.views or recipe.views, size=recipe.views.size)
    batches = Batches(frames, len(task.classes), views, recipe.batch_size, run.seed, accelerator.device)
    steps = steps_of(run.method, recipe)
    optimizer = (run.method.optimiser or recipe.optimiser).build(learner)

    def validate(judged: Learner) -> float:
        assert task.validation is not None
        told = judge(accelerator, judged, task.validation, recipe.views.size, recipe.batch_size)
        return run.method.score(told, task.validation)

    training = Training(
        accelerator,
        learner,
        optimizer,
        recipe.schedule.build(optimizer, max(steps, 1)),
        batches,
        Plan(steps, setting.epochs, run.seed, recipe.ema, study.checkpoint_every),
        folder,
        None if task.validation is None else validate,
    )
    accelerator.init_trackers("longtail_mix", {name: str(value) for name, value in folder.config.items()})
    if accelerator.is_main_process:
        folder.add_start({"processes": accelerator.num_processes, "device": str(accelerator.device)})
    progress = training.run()
    for open_tracker in accelerator.trackers:
        open_tracker.finish()
    accelerator.wait_for_everyone()  # until the last checkpoint is written
    if accelerator.is_main_process:
        write_json(folder.path / "metrics.json", facts_of(progress, recipe, task, accelerator))
    accelerator.wait_for_everyone()


def built(study: Study, run: Planned, task: Task) -> tuple[Learner, Setting]:
    """The learner with the weights it starts from."""
    recipe = study.recipe
    epochs = max(-(-steps_of(run.method, recipe) // max(len(task.train) // recipe.batch_size, 1)), 1)
    setting = Setting(task.class_counts(), recipe.backbone, recipe.views.size, epochs, recipe.batch_size)
    torch.manual_seed(seed_of(run.seed, "weights"))
    learner = run.method.build(setting)
    if run.first is not None:
        learner.start_from(weights_of(run.first, recipe.keep_best))
    return learner, setting


def steps_of(method: Method, recipe: Recipe) -> int:
    """How many steps a method takes of the budget; one or more unless its share is 0."""
    return max(round(method.share * (recipe.images // recipe.batch_size)), int(method.share > 0))


def weights_of(path: Path, keep_best: bool) -> dict[str, Any]:
    """The state of a trained learner: of its best validation if there was one and it is wanted, else the last."""
    best = path / "best.pt"
    file = best if keep_best and best.exists() else path / "last.pt"
    state = torch.load(file, map_location="cpu", weights_only=True)
    weights: dict[str, Any] = state.get("judged", state["learner"])
    return weights


def facts_of(progress: Progress, recipe: Recipe, task: Task, accelerator: Accelerator) -> dict[str, Any]:
    """What a training was, beside its config and its environment."""
    return {
        "task": task.name,
        "classes": task.classes,
        "training_images": task.class_counts(),
        "steps": progress.step,
        "seconds": progress.seconds,
        "images_per_second": progress.step * recipe.batch_size / max(progress.seconds, 1e-9),
        "processes": accelerator.num_processes,
        "validation": progress.scores,
        "losses": progress.losses,
    }
