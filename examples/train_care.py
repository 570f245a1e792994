"""CARE in its two stages: plain training, then fine-tuning with the attention loss, against fine-tuning without it.

    python examples/train_care.py                                   made-up images, about ten minutes on two cores
    python examples/train_care.py --data isic2018 --model resnet50 --pretrained --size 224 --output-stride 0 \\
        --bases ce csl fl da --seeds 0 1 2                          the real ones, under ISIC2018_ROOT
    accelerate launch --num_processes 4 examples/train_care.py ...  several processes; --mixed-precision bf16 for AMP

Every base (cross entropy, cost-sensitive, focal, data augmentation) is trained once for each seed; from there one
network is fine-tuned as before and one with CARE, over equally many steps. Both stages write checkpoints: the same
command goes on where it was stopped, and what is finished is not done again. Under --out: metrics.json, attention.png.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from care_report import rarest_class, summarise, table, write_report
from images import BACKGROUND_CUE, Images, Task, isic2018_task, synthetic_task
from segmenters import load_segmenter
from torch import Tensor, nn

from care_training import Attention, Classifier, Guide, Outcome, Settings, Trainer, maps_of
from criteria import CRITERIA, build_criterion
from longtail_mix import FocalLoss, SegmentationSaliency, SkinContrastSaliency
from longtail_mix.data import stratified_split
from longtail_mix.functional import class_balanced_weights
from longtail_mix.regions import Regions, lesion_regions, otsu_threshold
from longtail_mix.visualize import attention_panel

BASES = {
    "ce": "cross entropy",
    "csl": "cost-sensitive",
    "fl": "focal",
    "da": "cross entropy, more augmentation",
}
# Any loss of criteria.py with weights by class; its curricula and DRW would need epochs that span both stages.
BASES |= {f"{loss}+{weights}": f"{loss}, {weights}" for loss, weights in CRITERIA if weights in ("none", "cb", "es")}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", choices=["synthetic", "isic2018"], default="synthetic")
    add("--split-seed", type=int, default=0, help="of the made-up images, or of the stratified 80/20 split")
    add("--background-cue", type=float, default=BACKGROUND_CUE, help="of the made-up training images")
    add(
        "--bases",
        nargs="+",
        choices=BASES,
        default=["csl"],
        metavar="BASE",
        help="ce, csl, fl, da, or LOSS+WEIGHTS of criteria.py, as ldam+es",
    )
    add("--seeds", nargs="+", type=int, default=[0])
    add("--masked-classes", type=int, default=1, help="masks for so many of the rarest classes (%(default)s)")
    add("--regions", choices=["truth", "skin", "segmenter"], default="truth", help="where the boxes come from")
    add("--segmenter", type=Path, help="segmenter.pt of train_segmenter.py")
    add("--otsu", action="store_true", help="Otsu's threshold instead of 0.5")
    add("--box-scale", type=float, default=1.0)
    add("--alpha", type=float, default=0.5, help="weight of the attention loss (%(default)s)")
    add("--tau", type=float, default=0.7, help="how much attention inside is enough (%(default)s)")
    add("--lam", type=float, default=1.0, help="weight of the attention outside (%(default)s)")
    add(
        "--model",
        default="test_resnet",
        help="any timm network with feature maps: resnet18, resnet50, resnet152, vgg19",
    )
    add("--output-stride", type=int, default=8, help="pixels per cell of the map; 0 leaves it to the network")
    add("--pretrained", action="store_true", help="start from ImageNet's weights, as the paper does")
    add("--size", type=int, default=64, help="side of the images in pixels")
    add("--steps", type=int, default=400, help="of the first stage")
    add("--finetune-steps", type=int, default=200, help="of the second")
    add("--batch-size", type=int, default=64)
    add("--learning-rate", type=float, default=2e-3)
    add("--finetune-learning-rate", type=float, default=5e-4)
    add("--weight-decay", type=float, default=0.05)
    add("--mixed-precision", choices=["no", "fp16", "bf16"], default="no")
    add("--checkpoint-every", type=int, default=200, help="steps")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--cache-dir", type=Path, help="where decoded images are kept")
    add("--out", type=Path, default=Path("runs/train_care"))
    return parser.parse_args()


def main() -> None:
    options = arguments()
    settings = Settings(
        model=options.model,
        output_stride=options.output_stride or None,
        pretrained=options.pretrained,
        size=options.size,
        steps=options.steps,
        finetune_steps=options.finetune_steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        finetune_learning_rate=options.finetune_learning_rate,
        weight_decay=options.weight_decay,
        mixed_precision=options.mixed_precision,
    )
    if options.data == "isic2018":
        split_seed, cache_dir = options.split_seed, options.cache_dir
        task = isic2018_task(options.size, split_seed, stratified_split, cache_dir=cache_dir, with_masks=True)
    else:
        task = synthetic_task(options.size, options.split_seed, options.background_cue)
    task = task.to(own_device(options.device))
    guide = guide_of(task, options)
    counts = task.class_counts()
    trainer = Trainer(task, settings, options.out, options.checkpoint_every)
    is_main = trainer.accelerator().is_main_process
    if is_main:
        counts_of = dict(zip(task.classes, counts, strict=True))
        print(f"{task.name}: {counts_of}, {len(task.test.labels)} test images, {int(guide.has_mask.sum())} masks")

    criteria: dict[str, nn.Module] = {
        "ce": nn.CrossEntropyLoss(),
        # PyTorch divides by the sum of the weights, so that this loss and the attention loss stay of one size.
        "csl": nn.CrossEntropyLoss(class_balanced_weights(counts).to(task.train.labels.device)),
        "fl": FocalLoss(gamma=2.0),
        "da": nn.CrossEntropyLoss(),
    }
    for loss, weights in CRITERIA:
        own = build_criterion(loss, weights, counts, 1, options.batch_size)
        criteria[f"{loss}+{weights}"] = own.to(task.train.labels.device)
    attention = Attention(options.alpha, options.tau, options.lam)
    outcomes: list[Outcome] = []
    for seed in options.seeds:
        for base in options.bases:
            name, criterion, strong = BASES[base], criteria[base], base == "da"
            first = trainer.first_stage(f"{name}, first stage", criterion, strong, seed)
            plain = trainer.second_stage(f"{name}, continued", first, criterion, strong)
            source = f"{options.regions} {options.masked_classes} {options.box_scale} {options.otsu}"
            care = trainer.second_stage(f"{name} + CARE", first, criterion, strong, attention, guide, source)
            outcomes += [first, plain, care]
    if not is_main:
        return
    against = {f"{BASES[base]} + CARE": f"{BASES[base]}, continued" for base in options.bases}
    summary = summarise(outcomes, task, against)
    about = {"attention": vars(attention), "regions": options.regions, "masked_classes": options.masked_classes}
    write_report(options.out, task, settings, outcomes, summary, masks=int(guide.has_mask.sum()), **about)
    draw_attention(task, settings, outcomes[1:3], options.out / "attention.png")
    print(f"\n{table(summary, task)}\n\nmetrics.json and attention.png are in {options.out}")


def own_device(name: str) -> torch.device:
    """Under `accelerate launch` each process has a GPU of its own."""
    local = os.environ.get("LOCAL_RANK")
    return torch.device(f"cuda:{local}" if name == "cuda" and local is not None else name)


def guide_of(task: Task, options: argparse.Namespace) -> Guide:
    """Boxes for the training images of the rarest classes: nobody has to draw more than these."""
    counts = torch.tensor(task.class_counts())
    labels = task.train.labels
    rare = counts.argsort(stable=True)[: options.masked_classes].to(labels.device)
    rows = torch.isin(labels, rare).nonzero().squeeze(1)
    if options.regions == "truth":
        if task.train.masks is None:
            raise ValueError("--regions truth: expected images with lesion masks")
        regions = lesion_regions(task.train.masks[rows], scale=options.box_scale)
    else:
        regions = regions_by_saliency(task.train, rows, options)
    size = options.size
    masks = torch.zeros(len(labels), 1, size, size, dtype=torch.bool, device=labels.device)
    has_mask = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
    masks[rows], has_mask[rows] = regions.mask, regions.has_mask
    return Guide(masks, has_mask)


def regions_by_saliency(images: Images, rows: Tensor, options: argparse.Namespace) -> Regions:
    """Boxes from a detector that needs no training, or from a segmenter that had one."""
    if options.regions == "segmenter":
        if options.segmenter is None:
            raise ValueError("--segmenter: expected the path of a segmenter.pt, got none")
        saliency: nn.Module = SegmentationSaliency(load_segmenter(options.segmenter)).to(rows.device)
    else:
        saliency = SkinContrastSaliency()
    maps = torch.cat([saliency(images.images[batch]) for batch in rows.split(64)])
    return lesion_regions(maps, otsu_threshold if options.otsu else 0.5, scale=options.box_scale)


def draw_attention(task: Task, settings: Settings, pair: list[Outcome], path: Path, count: int = 6) -> None:
    """Test images of the rarest class with the maps of the network without and with CARE, after Fig. 10."""
    rows = (task.test.labels == rarest_class(task)).nonzero().squeeze(1)[:count]
    images, labels = task.test.images[rows], task.test.labels[rows]
    maps, said = {}, []
    for outcome in pair:
        network = Classifier(settings, len(task.classes)).to(images.device)
        network.load_state_dict(outcome.weights)
        logits, maps[outcome.method] = maps_of(network, images, labels)
        said.append([task.classes[label] for label in logits.argmax(1).tolist()])
    masks = task.test.masks
    outlines = torch.zeros_like(images[:, :1], dtype=torch.bool) if masks is None else masks[rows]
    titles = [f"{without}\n-> {with_care}" for without, with_care in zip(*said, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    attention_panel(images, outlines, maps, titles).savefig(path, dpi=150)


if __name__ == "__main__":
    main()
