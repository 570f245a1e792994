"""Run a study: train what is not trained, resume the rest, judge."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path

import torch
from accelerate import PartialState

from reproduction.data.maps import with_maps
from reproduction.methods.learner import Method
from reproduction.training.judging import Judged, judge_all
from reproduction.training.study import Planned, Study, plan, refuse
from reproduction.training.train import train


def run_study(study: Study, rows: Mapping[str, Method]) -> list[Judged]:
    """Train what is not trained yet, then let every method judge the validation side, or the test side.

    Raises:
        ValueError: a study that cannot be run, or folders that hold another one; before anything is read.
    """
    state = PartialState(cpu=study.device == "cpu")
    runs = plan(study, rows)
    if study.report_only:
        runs = trained(study, runs)
    refuse(study, runs, state.num_processes)
    state.wait_for_everyone()  # nobody changes a folder that another process still looks at
    if state.is_main_process:
        for run in runs:
            run.folder.open(study.fresh)
    with state.local_main_process_first():
        prepare(study, runs)
    todo = [] if study.report_only else [[run for run in wave if not finished(run)] for wave in waves(runs)]
    if study.jobs > 1:
        side_by_side(study, todo)
    else:
        for run in chain.from_iterable(todo):
            train(study, run)
    names = study.methods or tuple(rows)
    judged = judge_all(study, [run for run in runs if run.name in names]) if state.is_main_process else []
    state.wait_for_everyone()
    return judged


def prepare(study: Study, runs: Sequence[Planned]) -> None:
    """Decode the images and compute the maps once, before several processes want them."""
    for seed in dict.fromkeys(run.seed for run in runs if not finished(run)):
        task = study.data.task(study.recipe.frame, seed)
        if task.validation is None and not study.test:
            raise ValueError("data.split: expected one with a validation part, or --test, got neither")
        for source in dict.fromkeys(run.method.maps for run in runs if run.seed == seed and not finished(run)):
            if source is not None:
                with_maps(task.train, source, torch.device(study.device))


def trained(study: Study, runs: Sequence[Planned]) -> list[Planned]:
    """Those that are there.

    Raises:
        ValueError: none is.
    """
    found = [run for run in runs if finished(run)]
    if not found:
        raise ValueError(f"report_only: expected trainings of this study that ended in {study.out}, got none")
    return found


def finished(run: Planned) -> bool:
    """Whether it was trained to its end."""
    return (run.folder.path / "metrics.json").exists()


def waves(runs: Sequence[Planned]) -> list[list[Planned]]:
    """Trainings that start from no other, then those that start from these, and so on: a wave's can run at once.

    Args:
        runs: those that others start from before them, as :func:`plan` has them.
    """
    found: list[list[Planned]] = []
    place: dict[Path, int] = {}
    for run in runs:
        place[run.folder.path] = wave = 0 if run.first is None else place[run.first] + 1
        if wave == len(found):
            found.append([])
        found[wave].append(run)
    return found


def side_by_side(study: Study, todo: Sequence[Sequence[Planned]]) -> None:
    """The trainings of a wave at once, each in a process of its own on one thread; wave after wave."""
    with ProcessPoolExecutor(study.jobs, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for wave in todo:
            for done in [pool.submit(train, study, run) for run in wave]:
                done.result()
