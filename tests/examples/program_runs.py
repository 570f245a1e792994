"""Trainings of the programs' own rows in processes of their own, killed or on two ranks: run by test_programs.py.

python program_runs.py FOLDER {kill,ranks} imports everything once. Then it reads a row a line, PROGRAM:METHOD, forks a
process for each of its trainings, and answers with a line of JSON: what came out.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import timm
import torch
from timm.layers.cbam import CbamModule
from torch import nn

from reproduction.data.boxes import Segmented
from reproduction.data.synthetic import Synthetic
from reproduction.data.white_light import WhiteLight
from reproduction.methods.learner import Method
from reproduction.networks import network, segmenters
from reproduction.networks import study as weighting
from reproduction.training.optimisers import SGD
from reproduction.training.run_study import run_study
from reproduction.training.study import Study, plan

LRASPP = segmenters.NETWORKS["lraspp"]
BATCH, STEPS, KILLS = 8, 10, 5
FEW = Synthetic(counts=(12, 9, 7, 6, 5, 4, 3), test_per_class=1, validation_per_class=1)


def small(program: str, method: str, out: Path) -> Study:
    """The program's first form with a handful of images, made up, and of steps; all else as it is."""
    study: Study = next(iter(import_module(program).FORMS.values()))[1]
    recipe = replace(study.recipe, images=STEPS * BATCH, batch_size=BATCH, ema=0.5)
    data = {Synthetic: FEW, WhiteLight: WhiteLight(FEW)}.get(type(study.data), study.data)
    return replace(
        study, data=data, recipe=recipe, methods=(method,), seeds=(0,), out=out, device="cpu", checkpoint_every=2
    )


def forked(work: Callable[[], object]) -> int:
    """The id of a new process that does `work` and ends."""
    process = os.fork()
    if process == 0:
        status = 1
        signal.alarm(600)  # who waits for a process that never comes does not wait for ever
        try:
            work()
            status = 0
        except SystemExit as end:
            status = int(str(end.code))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return process


def wait(process: int) -> int:
    """How it ended: its status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def steps_in(out: Path) -> int:
    """How many steps the histories of all trainings have together."""
    return sum(path.read_text().count('"loss"') for path in out.rglob("history.jsonl"))


def killed(work: Callable[[], object], out: Path, steps: int, delay: float) -> int:
    """Do `work` until so many steps are done, and so many seconds more, then kill it."""
    process = forked(work)
    while steps_in(out) < steps:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    return wait(process)


def killed_in_the_writer(work: Callable[[], object], call: int, share: float) -> int:
    """Do `work` until this share of checkpoint number `call` is in its file."""

    def writing() -> None:
        whole, calls = torch.save, 0

        def partly(value: object, file: IO[bytes]) -> None:
            nonlocal calls
            calls += 1
            whole(value, file)
            if calls == call:
                file.flush()
                file.truncate(int(share * file.tell()))
                os.kill(os.getpid(), signal.SIGKILL)

        torch.save = partly
        work()

    return wait(forked(writing))


def results(study: Study, rows: Any) -> dict[str, Any]:
    """All that the trainings left: checkpoints and what was told of the images."""
    found: dict[str, Any] = {}
    for run in plan(study, rows):
        for path in sorted(run.folder.path.glob("*.pt")):
            state = torch.load(path, weights_only=True)
            if "progress" in state:
                state["progress"]["seconds"] = 0.0  # nobody promises those
            found[f"{run.name}/{path.name}"] = state
    return found


def differences(one: Any, other: Any, name: str = "") -> list[str]:
    """The places where two nested values differ in a bit."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return [place for key in one for place in differences(one[key], other[key], f"{name}/{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        parts = zip(one, other, strict=True)
        return [place for i, (a, b) in enumerate(parts) for place in differences(a, b, f"{name}/{i}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
    else:
        same = one == other
    return [] if same else [name]


def segmenter_for(method: Method) -> None:
    """An untrained one where a row looks for that of segmenter.py."""
    source = getattr(method.maps, "source", None)
    if isinstance(source, Segmented) and not source.path.exists():
        name = source.path.stem
        segmenters.save_segmenter(source.path, name, 64, segmenters.build_segmenter(name, 64))


def kill(folder: Path, program: str, method: str) -> dict[str, Any]:
    """One training left alone, one killed at half of a checkpoint and then five times at random; what differs."""
    rows = import_module(program).ROWS
    segmenter_for(rows[method])
    whole, stopped = (small(program, method, folder / name) for name in ("whole", "stopped"))
    ends = [wait(forked(lambda: run_study(whole, rows)))]
    total = steps_in(whole.out)
    ends.append(killed_in_the_writer(lambda: run_study(stopped, rows), call=2, share=0.5))
    draw = random.Random(f"{program}:{method}")
    for steps in sorted(draw.randrange(max(total - 3, 1)) for _ in range(KILLS)):
        ends.append(killed(lambda: run_study(stopped, rows), stopped.out, steps, draw.uniform(0, 0.03)))
    ends.append(wait(forked(lambda: run_study(stopped, rows))))
    one, other = (results(study, rows) for study in (whole, stopped))
    left = [str(path) for path in stopped.out.rglob("*.part")]
    return {
        "ends": ends,
        "steps": total,
        "tensors": len(one),
        "different": differences(one, other) + left,
    }


def without_batch_norm(module: nn.Module) -> nn.Module:
    """Each BatchNorm replaced by a GroupNorm of one group."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(1, child.num_features))
        else:
            without_batch_norm(child)
    return module


def on_two_ranks(work: Callable[[], object]) -> list[int]:
    """The ids of two processes, started over gloo as torchrun and accelerate launch start them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    ranks = []
    for rank in range(2):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in place.items()}
        ranks.append(forked(work))
    for name in place:
        del os.environ[name]
    return ranks


def moved(work: Callable[[], object], out: Path) -> list[int]:
    """Two processes of which the second is asked to end; then one goes on alone."""
    ranks = on_two_ranks(work)
    while steps_in(out) < 4:
        time.sleep(0.002)
    os.kill(ranks[1], signal.SIGTERM)
    return [*map(wait, ranks), wait(forked(work))]


def ranks(folder: Path, program: str, method: str) -> dict[str, Any]:
    """The losses of one process, of two, and of two and then one; without what each process has for itself."""
    rows = import_module(program).ROWS
    no_batch_norm_no_dropout()
    studies = []
    for name in ("one", "two", "moved"):
        study = small(program, method, folder / name)
        # Adam makes whole steps of gradients that differ by a rounding error from zero.
        hybrid = study.recipe.backbone.name == "tiny_hybrid"  # which has no BatchNorm
        backbone = study.recipe.backbone if hybrid else network.Backbone("cnn", "none")
        recipe = replace(study.recipe, backbone=backbone, optimiser=SGD(0.01))
        studies.append(replace(study, recipe=recipe))
    one, two, other = studies
    ends = [wait(forked(lambda: run_study(one, rows))), *map(wait, on_two_ranks(lambda: run_study(two, rows)))]
    ends += moved(lambda: run_study(other, rows), other.out)
    losses, processes = [], []
    for study in studies:
        facts = [run.folder.facts() for run in plan(study, rows)]
        losses.append([loss for fact in facts for loss in fact["losses"]])
        processes += [fact["processes"] for fact in facts]
    return {"ends": ends, "losses": losses, "processes": sorted(set(processes))}


def no_batch_norm_no_dropout() -> None:
    """The networks of this process without them: processes on a CPU share neither batch statistics nor dropout."""
    segmenters.NETWORKS["lraspp"] = lambda: without_batch_norm(LRASPP())
    network.OURS["cnn"] = lambda _: without_batch_norm(timm.create_model("test_resnet", num_classes=0, output_stride=8))
    weighting.CbamModule = lambda *words, **options: without_batch_norm(CbamModule(*words, **options))
    weighting.DROPOUT = 0.0


def main(root: Path, mode: str) -> None:
    """Answer until there are no more rows; a row that cannot be run says why and stands in nobody's way."""
    work = {"kill": kill, "ranks": ranks}[mode]
    os.chdir(root)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a training prints is no answer
    for row in sys.stdin:
        program, method = row.strip().split(":", 1)
        with tempfile.TemporaryDirectory(dir=root) as folder:
            try:
                found = work(Path(folder), program, method)
            except Exception:
                found = {"error": traceback.format_exc()}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
