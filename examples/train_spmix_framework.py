"""The SPMix framework and the methods of the paper's Table 1: hybrid CNN-ViT, two views, two streams, contrast.

    python examples/train_spmix_framework.py --data isic2018                       the paper's recipe; wants a GPU
    python examples/train_spmix_framework.py --recipe ours --methods ce bcl spmix --seeds 0 1 2 --data isic2018
    python examples/train_spmix_framework.py --backbone tiny_hybrid --size 64 --patch-size 8 --steps 60
                                                                     made-up images, a few minutes on two cores
    accelerate launch --num_processes 4 examples/train_spmix_framework.py ...      the same on four GPUs

Each training has a folder under --out, OUT/NAME/seed-0, with config.json, environment.json, history.jsonl, checkpoints
(last.pt, best.pt), panel.png, training_curve.png and metrics.json. The same command goes on where it was stopped; a
training that has its metrics.json is not run again. At the end OUT/metrics.json compares all the trainings under OUT.
docs/framework.md says how to resume and how to run on several machines.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.tracking import get_available_trackers
from atomic_files import save_tensors, write_json
from framework_data import Batches, Frames, seed_of, with_saliency
from framework_methods import Method
from framework_panel import panel_of_batch
from images import BACKGROUND_CUE, Task, isic2018_task, synthetic_task
from report import COLUMNS, measure, summarise, table, training_curve, write_metrics
from run_folder import RunFolder
from training_program import Plan, Progress, Training, accelerator_for, judge, synchronised
from views import ViewSettings

from framework_recipes import (
    RECIPES,
    Config,
    build_method,
    build_optimizer,
    build_saliency,
    build_schedule,
)
from longtail_mix import ClassGroups, many_medium_few
from longtail_mix.data import balanced_split, stratified_split
from training import Run

SPLITS = {"balanced": balanced_split, "stratified": stratified_split}
SYNTHETIC_VALIDATION_PER_CLASS = 20
SWITCHES = ("patches", "saliency_guided")


@dataclass(frozen=True)
class Planned:
    """One training of those the command line asks for."""

    name: str
    config: Config
    folder: RunFolder


def arguments(argv: Sequence[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["synthetic", "isic2018"], default="synthetic")
    parser.add_argument("--split", choices=SPLITS, default="balanced", help="of ISIC 2018: 7:1:2 balanced, or 80/20")
    parser.add_argument("--split-seed", type=int, default=0)
    parser.add_argument("--background-cue", type=float, default=BACKGROUND_CUE, help="of the made-up training images")
    parser.add_argument("--cache-dir", type=Path, help="where decoded images are kept")
    parser.add_argument("--methods", nargs="+", default=["spmix"], help="ce ce-resample mislas reslt bcl paco spmix")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, help="train for so many steps instead of --epochs; a short form")
    parser.add_argument("--out", type=Path, default=Path("runs/framework"))
    parser.add_argument("--name", help="of the one method's folder; default: the method, the recipe, what is off")
    parser.add_argument("--fresh", action="store_true", help="start over where there is a checkpoint")
    parser.add_argument("--checkpoint-every", type=int, default=200, help="steps; and at each epoch's end")
    parser.add_argument("--tracker", help="any that accelerate knows and that is installed, as tensorboard")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--frames-on", choices=["device", "host"], help="where the images are kept; default: the device if they fit"
    )
    parser.add_argument("--recipe", choices=RECIPES, default="paper", help="where all the options below come from")
    own = parser.add_argument_group("options of the recipe, with the paper's values")
    for option in fields(Config):
        if option.name in ("method", "seed"):
            continue
        name, value = "--" + option.name.replace("_", "-"), option.default
        if isinstance(value, bool):
            own.add_argument(name, action=argparse.BooleanOptionalAction, help=str(value))
        elif isinstance(value, tuple):
            own.add_argument(name, type=type(value[0]), nargs=len(value), metavar="N", help=" ".join(map(str, value)))
        else:
            own.add_argument(name, type=type(value), metavar=type(value).__name__.upper(), help=str(value))
    return parser, parser.parse_args(argv)


def planned(options: argparse.Namespace) -> list[Planned]:
    """The trainings that the options ask for, each method with each seed."""
    given = {option.name: getattr(options, option.name, None) for option in fields(Config)}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    recipe = replace(RECIPES[options.recipe], **{name: value for name, value in given.items() if value is not None})
    data = {"data": options.data, "split_seed": options.split_seed, "steps": options.steps}
    data |= {"split": options.split} if options.data == "isic2018" else {"background_cue": options.background_cue}
    runs = []
    for seed in dict.fromkeys(options.seeds):
        for method in dict.fromkeys(options.methods):
            config = replace(recipe, method=method, seed=seed)
            name = options.name or name_of(config, options.recipe)
            runs.append(Planned(name, config, RunFolder(options.out / name / f"seed-{seed}", asdict(config) | data)))
    return runs


def name_of(config: Config, recipe: str) -> str:
    """What a folder is called unless the command line says it."""
    parts = [config.method, *([recipe] if config.method == "spmix" else [])]
    return "-".join([*parts, *(f"no-{switch}".replace("_", "-") for switch in SWITCHES if not getattr(config, switch))])


def refuse(options: argparse.Namespace, runs: Sequence[Planned], processes: int) -> None:
    """Raise ``ValueError`` for whatever can be known to be wrong before any data is read."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: expected cpu, as PyTorch sees no CUDA device, got cuda")
    if options.name and len(options.methods) > 1:
        raise ValueError(f"name: expected one method with it, got {', '.join(options.methods)}")
    for name in ("steps", "checkpoint_every"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"{name}: expected 1 or more, got {value}")
    trackers = [str(tracker) for tracker in get_available_trackers()]
    if options.tracker is not None and options.tracker not in trackers:
        raise ValueError(f"tracker: expected an installed one of {', '.join(trackers)}, got {options.tracker!r}")
    started_over = [run.folder.path for run in runs] if options.fresh else []
    for run in runs:
        run.config.check(processes, options.device)
        if options.steps is not None and run.config.method == "mislas":
            raise ValueError("steps: expected epochs for mislas, whose second stage begins with one, got steps")
        run.folder.check(options.fresh)
        run.folder.check_seeds(started_over)


def read(options: argparse.Namespace, size: int) -> Task:
    """The images; made, or read and kept in the cache."""
    if options.data == "isic2018":
        split = SPLITS[options.split]
        return isic2018_task(size, options.split_seed, split, cache_dir=options.cache_dir)
    return synthetic_task(size, options.split_seed, options.background_cue, SYNTHETIC_VALIDATION_PER_CLASS)


def main(argv: Sequence[str] | None = None) -> None:
    parser, options = arguments(argv)
    state = PartialState(cpu=options.device == "cpu")
    runs = planned(options)
    try:
        refuse(options, runs, state.num_processes)
    except ValueError as error:
        parser.error(str(error))
    state.wait_for_everyone()  # nobody changes a folder that another process still looks at
    if state.is_main_process:
        for run in runs:
            run.folder.open(options.fresh)
    with state.local_main_process_first():
        task = read(options, runs[0].config.size)
    frames = Frames(task.train.images, task.train.labels)
    saliency = next(filter(None, (build_saliency(run.config) for run in runs)), None)
    if saliency is not None:
        frames = with_saliency(frames, saliency.to(state.device), state.device)
    if options.frames_on == "device" or (options.frames_on is None and frames.fit(state.device)):
        frames = frames.to(state.device)
    counts = task.class_counts()
    state.print(f"{task.name}: {dict(zip(task.classes, counts, strict=True))}, {len(task.test.labels)} test images")

    groups = many_medium_few(counts)
    finished(options.out, task)  # what cannot be compared is refused now, and not after the training
    for run in runs:
        if (run.folder.path / "metrics.json").exists():
            state.print(f"{run.folder.path}: done before")
            continue
        alone: AbstractContextManager[None] = run.folder.held() if state.is_main_process else nullcontext()
        with alone:
            train(run, task, frames, groups, options)
    if state.is_main_process:
        print(compare(options.out, [run.name for run in runs], task, groups))
    state.wait_for_everyone()
    state.destroy_process_group()


def train(run: Planned, task: Task, frames: Frames, groups: ClassGroups, options: argparse.Namespace) -> None:
    """One training from its beginning or its checkpoint to its metrics.json."""
    config, folder = run.config, run.folder
    torch.manual_seed(seed_of(config.seed, "weights"))
    method = build_method(config, task.class_counts())
    tracker, cpu = options.tracker, options.device == "cpu"
    accelerator = accelerator_for(method, config.precision, cpu, tracker, folder.path / "logs")
    method = synchronised(method, accelerator).to(accelerator.device)
    optimizer = build_optimizer(config, method)
    views = ViewSettings(
        size=config.size, crop_scale=config.crop_scale, operations=config.operations, magnitude=config.magnitude
    )
    batches = Batches(frames, len(task.classes), views, config.batch_size, config.seed, accelerator.device)
    steps = options.steps or config.epochs * batches.steps_per_epoch
    plan = Plan(steps, config.epochs, config.seed, options.checkpoint_every)

    def validate() -> float:
        assert task.validation is not None
        logits = judge(accelerator, method, task.validation.images, config.batch_size)
        return measure(logits, task.validation.labels, groups)["balanced_accuracy"].item()

    training = Training(
        accelerator,
        method,
        optimizer,
        build_schedule(config, optimizer, steps),
        batches,
        plan,
        folder,
        None if task.validation is None else validate,
    )
    accelerator.init_trackers("longtail_mix", {name: str(value) for name, value in folder.config.items()})
    if accelerator.is_main_process:
        folder.add_start({"processes": accelerator.num_processes, "device": str(accelerator.device)})
        batches.set_epoch(method.needs, 0)
        panel_of_batch(batches.draw(0), method, task.classes).savefig(folder.path / "panel.png", dpi=100)
    progress = training.run()
    for open_tracker in accelerator.trackers:
        open_tracker.finish()
    finish(run, task, groups, accelerator, method, progress)


def finish(
    run: Planned, task: Task, groups: ClassGroups, accelerator: Accelerator, method: Method, progress: Progress
) -> None:
    """Judge the test images with the weights that were best in validation; predictions, metrics and the curve."""
    config, folder = run.config, run.folder
    accelerator.wait_for_everyone()  # until the last checkpoint is written
    last = judge(accelerator, method, task.test.images, config.batch_size)
    best = folder.load("best")
    if best is not None:
        method.load_state_dict(best["method"])
    logits = judge(accelerator, method, task.test.images, config.batch_size)
    if not accelerator.is_main_process:
        return
    done = Run(run.name, config.seed, progress.seconds, progress.losses, logits)
    of_last = measure(last, task.test.labels, groups)
    results = {
        "metrics": summarise(task, [done], groups),
        "metrics_of_last": {name: 100 * of_last[name].item() for name in COLUMNS if name in of_last},
        "best_step": progress.step if best is None else best["progress"]["step"],
        "validation": progress.scores,
        "steps": progress.step,
        "processes": accelerator.num_processes,
        "images_per_second": progress.step * config.batch_size / progress.seconds,
    }
    sides = {"labels": task.test.labels, "lesions": list(task.test.lesions)}
    save_tensors(folder.path / "predictions.pt", {**asdict(done), **sides})
    training_curve([done]).savefig(folder.path / "training_curve.png", dpi=150)
    write_metrics(folder.path, task, config, [config.seed], results, "accelerate", accelerator.device)


def compare(out: Path, first: Sequence[str], task: Task, groups: ClassGroups) -> str:
    """OUT/metrics.json and the tables of all that is finished under it; differences are from the first method named."""
    runs = finished(out, task)
    order = list(dict.fromkeys([*first, *(run.method for run in runs)]))
    runs.sort(key=lambda run: (order.index(run.method), run.seed))
    summary = summarise(task, runs, groups)
    seeds = {name: [run.seed for run in runs if run.method == name] for name in summary}
    write_json(out / "metrics.json", {"task": task.name, "seeds": seeds, "metrics": summary})
    training_curve(runs).savefig(out / "training_curve.png", dpi=150)
    of_seeds = ", ".join(" ".join([name, *map(str, own)]) for name, own in seeds.items())
    return f"\n{table(summary)}\n\nseeds: {of_seeds}\nmetrics.json and training_curve.png are in {out}"


def finished(out: Path, task: Task) -> list[Run]:
    """What came out of each training under `out` that is done.

    Raises:
        ValueError: one was tested on other images.
    """
    runs = []
    for path in sorted(out.glob("*/seed-*/predictions.pt")):
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        labels, lesions = saved.pop("labels"), saved.pop("lesions")
        if not torch.equal(labels, task.test.labels) or lesions != list(task.test.lesions):
            raise ValueError(f"{path}: expected the test images of {task.name}, got others; use another --out")
        runs.append(Run(**saved))
    return runs


if __name__ == "__main__":
    main()
