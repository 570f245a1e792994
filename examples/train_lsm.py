"""LSM, CMO and Remix under cross entropy, CE-DRW and LDAM-DRW, as in the tables of the LSM paper.

    python examples/train_lsm.py                                       made-up images, a short form for two cores
    python examples/train_lsm.py --data cifar100 --root DIR            CIFAR-100-LT, ResNet-32, 200 epochs
    python examples/train_lsm.py --data isic2018                       the images under ISIC2018_ROOT

All methods see the same images in the same order, the same augmentation and, for one seed and classifier, the same
first weights. Under --out: metrics.json, training_curve.png, and checkpoints, from which --resume goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from cifar_lt import CIFAR10, CIFAR100, cifar_lt_task
from images import Task, isic2018_task, synthetic_task
from report import summarise, table, write_report
from torch import Tensor, nn

from criteria import CRITERIA, build_criterion
from long_tail_training import Batch, Method, Mix, Settings, train
from longtail_mix import (
    CMO,
    LSM,
    DeferredWeighting,
    EffectiveNumberWeights,
    GradCAM,
    InBatch,
    LDAMLoss,
    MixedTarget,
    RandomPairing,
    Remix,
    Sometimes,
    WeightedCrossEntropy,
    many_medium_few,
    many_medium_few_by_count,
)
from longtail_mix.data import balanced_split, stratified_split
from longtail_mix.weighting import mean_one_over_classes

SPLITS = {"balanced": balanced_split, "stratified": stratified_split}
CIFAR = Settings("resnet32", 32, 200, 128, learning_rate=0.01, weight_decay=2e-4, block_size=4, cam_layer="layer3")
SETTINGS = {
    "synthetic": Settings("test_resnet", 32, 10, 64, 0.05, 2e-4, block_size=4, cam_layer="layer2"),
    "isic2018": Settings("resnet50", 224, 100, 64, 0.01, 2e-4, block_size=28, cam_layer="layer4"),
    "cifar10": CIFAR,
    "cifar100": CIFAR,
}


def cross_entropy(counts: list[int], settings: Settings) -> nn.Module:
    del counts, settings  # plain
    return WeightedCrossEntropy()


def cross_entropy_drw(counts: list[int], settings: Settings) -> nn.Module:
    return WeightedCrossEntropy(drw(counts, settings))


def ldam_drw(counts: list[int], settings: Settings) -> nn.Module:
    return LDAMLoss(counts, weighting=drw(counts, settings))


def drw(counts: list[int], settings: Settings) -> nn.Module:
    weights = EffectiveNumberWeights(counts, beta=0.9999, normalise=mean_one_over_classes)
    return DeferredWeighting(weights, start_epoch=settings.milestones()[0])


def no_mix(counts: list[int], settings: Settings) -> Mix:
    del counts, settings

    def mix(model: nn.Sequential, first: Batch, balanced: Callable[[], Batch]) -> tuple[Tensor, MixedTarget]:
        del model, balanced
        images, labels = first
        return images, MixedTarget.hard(labels)

    return mix


def remix(counts: list[int], settings: Settings) -> Mix:
    del settings
    in_batch = InBatch(Remix(counts), RandomPairing())

    def mix(model: nn.Sequential, first: Batch, balanced: Callable[[], Batch]) -> tuple[Tensor, MixedTarget]:
        del model, balanced
        mixed: tuple[Tensor, MixedTarget] = in_batch(*first)
        return mixed

    return mix


def cmo(counts: list[int], settings: Settings) -> Mix:
    del counts, settings
    two_streams = CMO()

    def mix(model: nn.Sequential, first: Batch, balanced: Callable[[], Batch]) -> tuple[Tensor, MixedTarget]:
        del model
        mixed: tuple[Tensor, MixedTarget] = two_streams(*first, *balanced())
        return mixed

    return mix


def lsm(counts: list[int], settings: Settings) -> Mix:
    del counts
    return on_cams(LSM(settings.block_size), settings)


def lsm_half(counts: list[int], settings: Settings) -> Mix:
    """Every other class-balanced image stays as it is, so that the network sees what it will be tested on."""
    del counts
    return on_cams(Sometimes(LSM(settings.block_size), probability=0.5), settings)


def on_cams(two_streams: nn.Module, settings: Settings) -> Mix:

    def mix(model: nn.Sequential, first: Batch, balanced: Callable[[], Batch]) -> tuple[Tensor, MixedTarget]:
        tail, tail_labels = balanced()
        with GradCAM(model, model[1].get_submodule(settings.cam_layer)) as grad_cam:
            tail_cam = grad_cam(tail, tail_labels)
        mixed: tuple[Tensor, MixedTarget] = two_streams(tail, tail_labels, *first, tail_cam)
        return mixed

    return mix


def by_name(loss: str, weights: str) -> Callable[[list[int], Settings], nn.Module]:
    """Any loss with any weights of criteria.py."""

    def criterion(counts: list[int], settings: Settings) -> nn.Module:
        return build_criterion(loss, weights, counts, settings.epochs, settings.batch_size)

    return criterion


LOSSES: dict[str, tuple[str, Callable[[list[int], Settings], nn.Module]]] = {
    "ce": ("CE", cross_entropy),
    "ce-drw": ("CE-DRW", cross_entropy_drw),
    "ldam-drw": ("LDAM-DRW", ldam_drw),
}
LOSSES |= {f"{loss}+{weights}": (f"{loss}, {weights}", by_name(loss, weights)) for loss, weights in CRITERIA}
MIXES = {
    "none": ("", no_mix),
    "cmo": (" + CMO", cmo),
    "remix": (" + Remix", remix),
    "lsm": (" + LSM", lsm),
    "lsm-half": (" + LSM, half", lsm_half),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=SETTINGS, default="synthetic")
    parser.add_argument("--root", type=Path, default=Path("data"), help="of CIFAR, as torchvision lays it out")
    parser.add_argument("--download", action="store_true", help="fetch CIFAR where it is missing")
    parser.add_argument("--imbalance", type=float, default=100, help="of CIFAR: first class to last")
    parser.add_argument("--max-count", type=int, help="of CIFAR: images of the first class")
    parser.add_argument("--split", choices=SPLITS, default="balanced", help="of ISIC 2018: 7:1:2 balanced, or 80/20")
    parser.add_argument(
        "--losses",
        nargs="+",
        choices=LOSSES,
        default=list(LOSSES)[:3],
        metavar="LOSS",
        help="ce, ce-drw, ldam-drw, or any LOSS+WEIGHTS of criteria.py, as focal+es or ce+class-ohem",
    )
    parser.add_argument("--mixes", nargs="+", choices=MIXES, default=list(MIXES)[:4])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--model", help='"resnet32" or any timm model; this and the next: default by --data')
    for name in ("size", "epochs", "batch-size", "block-size"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("learning-rate", "weight-decay"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--cam-layer", help="of the model: where LSM's Grad-CAM is taken")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cache-dir", type=Path, help="where decoded images of ISIC 2018 are kept")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints under --out")
    parser.add_argument("--out", type=Path, default=Path("runs/train_lsm"))
    return parser.parse_args()


def load(options: argparse.Namespace, size: int) -> Task:
    if options.data == "isic2018":
        return isic2018_task(size, 0, SPLITS[options.split], cache_dir=options.cache_dir)
    if options.data == "synthetic":
        return synthetic_task(size, seed=0)
    data = CIFAR10 if options.data == "cifar10" else CIFAR100
    return cifar_lt_task(data, options.root, options.imbalance, 0, options.download, options.max_count)


def main() -> None:
    options = arguments()
    names = ("model", "size", "epochs", "batch_size", "learning_rate", "weight_decay", "block_size", "cam_layer")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    settings = replace(SETTINGS[options.data], **given)
    task = load(options, settings.size)
    counts, device = task.class_counts(), torch.device(options.device)
    # The 100 classes are cut by count everywhere: more than 100 images are many, fewer than 20 few.
    groups = many_medium_few_by_count(counts) if options.data == "cifar100" else many_medium_few(counts)
    print(f"{task.name}: {counts} training images, {len(task.test.labels)} test images")
    methods = [
        Method(LOSSES[loss][0] + MIXES[mix][0], LOSSES[loss][1], MIXES[mix][1], cosine=loss == "ldam-drw")
        for loss in options.losses
        for mix in options.mixes
    ]
    runs = []
    for seed in options.seeds:
        for method in methods:
            checkpoint = options.out / "checkpoints" / f"{method.name.replace(' ', '').replace(',', '-')}-{seed}.pt"
            if not options.resume:
                checkpoint.unlink(missing_ok=True)
            runs.append(train(task, method, settings, seed, device, checkpoint))
    summary = summarise(task, runs, groups)
    write_report(options.out, task.to(device), settings, runs, summary)
    print(f"\n{table(summary)}\n\nmetrics.json and training_curve.png are in {options.out}")


if __name__ == "__main__":
    main()
