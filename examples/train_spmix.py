"""Train a small network with cross entropy, with resampled classes and with SPMix, and compare them.

    python examples/train_spmix.py                                  made-up images, four to six minutes on two cores
    python examples/train_spmix.py --data isic2018 --seeds 0 1 2    the real ones, under ISIC2018_ROOT

All methods see the same split, the same number of images, the same augmentation and, for one seed, the same first
weights. Under --out: metrics.json, training_curve.png, and panel.png, which shows what SPMix did to ten pairs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from images import BACKGROUND_CUE, Images, Task, isic2018_task, pick, synthetic_task
from report import summarise, table, write_report

from criteria import add_criterion_options, build_criterion
from draw_panel import panel_of
from longtail_mix import FidelityRatio, HeadTailPairing, SkinContrastSaliency, SPMix, many_medium_few
from longtail_mix.data import balanced_split, stratified_split
from training import Method, Settings, epochs_of, train

METHODS = ["ce", "resample", "spmix", "spmix-half", "spmix-skin", "spmix-fidelity", "spmix-released"]
SPLITS = {"balanced": balanced_split, "stratified": stratified_split}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["synthetic", "isic2018"], default="synthetic")
    parser.add_argument("--split", choices=SPLITS, default="balanced", help="of ISIC 2018: 7:1:2 balanced, or 80/20")
    parser.add_argument("--split-seed", type=int, default=0)
    parser.add_argument("--background-cue", type=float, default=BACKGROUND_CUE, help="of the made-up training images")
    parser.add_argument("--methods", nargs="+", choices=METHODS)
    parser.set_defaults(methods=["ce", "resample", "spmix", "spmix-skin"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--model", default="test_resnet", help="any timm model; the default is a very small ResNet")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--patch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    add_criterion_options(parser)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cache-dir", type=Path, help="where decoded images are kept")
    parser.add_argument("--out", type=Path, default=Path("runs/train_spmix"))
    return parser.parse_args()


def main() -> None:
    options = arguments()
    settings = Settings(
        options.model, options.size, options.steps, options.batch_size, options.learning_rate, options.weight_decay
    )
    if options.data == "isic2018":
        split = SPLITS[options.split]
        task = isic2018_task(options.size, options.split_seed, split, cache_dir=options.cache_dir)
    else:
        task = synthetic_task(options.size, options.split_seed, options.background_cue)
    task = task.to(torch.device(options.device))
    counts = task.class_counts()
    groups = many_medium_few(counts)
    print(f"{task.name}: {dict(zip(task.classes, counts, strict=True))}, {len(task.test.labels)} test images")

    spmix = SPMix(counts, patch_size=options.patch_size).to(options.device)
    every_other = HeadTailPairing(counts, probability=0.5)
    half = SPMix(patch_size=options.patch_size, pairing=every_other).to(options.device)
    by_skin = SkinContrastSaliency(margin=1 / 28)
    skin = SPMix(patch_size=options.patch_size, pairing=every_other, saliency=by_skin).to(options.device)
    best_ratio = FidelityRatio(options.patch_size)
    fidelity = SPMix(pairing=every_other, saliency=by_skin, recipe=best_ratio).to(options.device)
    released = SPMix.released(options.patch_size)
    epochs = epochs_of(task, settings)
    criterion = build_criterion(options.loss, options.weights, counts, epochs, options.batch_size)
    loss = "cross entropy" if options.loss == "ce" else options.loss
    if options.weights != "none":
        loss += f", {options.weights}"
    resampled = "CE, resampled" if loss == "cross entropy" else f"{loss}, resampled"
    methods = {
        "ce": Method(loss, balanced=False, criterion=criterion),
        "resample": Method(resampled, balanced=True, criterion=criterion),
        "spmix": Method("SPMix", balanced=True, mix=spmix, criterion=criterion),
        "spmix-half": Method("SPMix, half", balanced=True, mix=half, criterion=criterion),
        "spmix-skin": Method("SPMix, half, skin contrast", balanced=True, mix=skin, criterion=criterion),
        "spmix-fidelity": Method("SPMix, half, skin, fidelity", balanced=True, mix=fidelity, criterion=criterion),
        # The released code draws its labels from the images as they come.
        "spmix-released": Method("SPMix, released", balanced=False, mix=released, criterion=criterion),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    draw_panel(task, spmix, options.out / "panel.png")
    runs = [train(task, methods[name], settings, seed) for seed in options.seeds for name in options.methods]
    summary = summarise(task, runs, groups)
    write_report(options.out, task, settings, runs, summary)
    print(f"\n{table(summary)}\n\nmetrics.json, training_curve.png and panel.png are in {options.out}")


def draw_panel(task: Task, spmix: SPMix, path: Path, pairs: int = 10) -> None:
    """What SPMix does to some pairs of the training images."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(task.train.labels), generator=generator)[:1024].to(task.train.labels.device)
    some = Images(task.train.images[rows], task.train.labels[rows], pick(task.train.lesions, rows))
    panel_of(some, task.classes, task.class_counts(), spmix, pairs, generator).savefig(path, dpi=150)


if __name__ == "__main__":
    main()
