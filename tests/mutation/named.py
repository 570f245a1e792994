"""Changes that an audit once made and no test saw: each is to be seen now."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from tests.mutation.targets import BASE, ROOT, text_of


class Named(NamedTuple):
    """A text of a file, and what is put in its place."""

    path: Path
    old: str
    new: str
    tests: str  # the file whose tests are to see it

    def tree(self) -> ast.Module:
        """The changed module.

        Raises:
            ValueError: the text is not there, or more than once.
        """
        if text_of(self.path).count(self.old) != 1:
            raise ValueError(
                f"{self.path.relative_to(ROOT)}: expected {self.old!r} once: give this change as it is now"
            )
        return ast.parse(text_of(self.path).replace(self.old, self.new))


def _program(name: str, old: str, new: str) -> Named:
    return Named(BASE["examples"] / f"{name}.py", old, new, f"tests/examples/test_{name}.py")


def _cifar(old: str, new: str) -> Named:
    path = BASE["examples"] / "reproduction/training/long_tail_studies.py"
    return Named(path, old, new, "tests/examples/test_lsm.py")


def _engine(path: str, old: str, new: str, tests: str) -> Named:
    return Named(BASE["examples"] / "reproduction" / path, old, new, f"tests/examples/reproduction/{tests}")


def _printed(paper: str, old: str, new: str) -> Named:
    return Named(BASE["examples"] / f"reproduction/papers/{paper}.py", old, new, "tests/examples/test_papers.py")


def _library(path: str, old: str, new: str, tests: str) -> Named:
    return Named(BASE["src"] / path, old, new, f"tests/{tests}")


NAMED = {
    "LSM: tail and head labels swapped": _engine(
        "methods/lsm.py",
        "tail.views[0], tail.labels, head.views[0], head.labels",
        "tail.views[0], head.labels, head.views[0], tail.labels",
        "methods/test_lsm.py",
    ),
    "csl becomes cross entropy": _program("care", '"csl": CrossEntropy(ClassBalanced())', '"csl": CrossEntropy()'),
    "fl becomes cross entropy": _program("care", '"fl": Focal(2.0)', '"fl": CrossEntropy()'),
    "da without its views": _program("care", 'TURNED if base == "da" else None', "None"),
    "es becomes cb": _program("weighting", '"es": EffectiveNumber()', '"es": ClassBalanced()'),
    "es is built as cb": _engine(
        "criteria/weightings.py",
        "EffectiveNumberWeights(setting.class_counts, self.beta, normalise)",
        "ClassBalancedWeights(setting.class_counts, normalise)",
        "criteria/test_criteria.py",
    ),
    "VGG16 at another size": _program("weighting", "Squash(299)", "Squash(224)"),
    "VGG16 in other batches": _program("weighting", "batch_size=20,", "batch_size=32,"),
    "VGG16 for other epochs": _program("weighting", "images=250 * (8012", "images=100 * (8012"),
    "VGG16 by another rate of Adam": _program("weighting", "Adam(1e-5)", "Adam(1e-4)"),
    "VGG16 by another rate of SGD": _program("weighting", "SGD(1e-4, 0.0", "SGD(1e-3, 0.0"),
    "CIFAR by another rate": _cifar("SGD(0.01, 2e-4)", "SGD(0.1, 2e-4)"),
    "CIFAR in other blocks": _engine("methods/lsm.py", "blocks: int = 8", "blocks: int = 4", "methods/test_lsm.py"),
    "CIFAR decays elsewhere": _cifar("Steps((0.8, 0.9), 0.01)", "Steps((0.5, 0.75), 0.01)"),
    "the study decays elsewhere": _program("weighting", "Steps((0.5, 0.75), 0.1)", "Steps((0.8, 0.9), 0.1)"),
    "without Nesterov": _program("weighting", "nesterov=True", "nesterov=False"),
    "dropout 0": _engine("networks/study.py", "DROPOUT = 0.5", "DROPOUT = 0.0", "methods/test_diagnosis.py"),
    "Dice becomes cross entropy": _engine(
        "methods/segmentation.py",
        "= dice_loss(logits, (batch",
        "= nn.functional.cross_entropy(logits, (batch",
        "methods/test_segmentation.py",
    ),
    "spmix mixes every class": _program(
        "spmix", "tail_only=True, partners=Heads())", "tail_only=False, partners=Heads())"
    ),
    "spmix-released with two networks": _program(
        "spmix",
        "OneEncoder(contrast=PaCo(), mix=everyone, layer=layer, queue=queue, hidden=hidden)",
        "MomentumContrast(contrast=PaCo(), mix=everyone, layer=layer, queue=queue)",
    ),
    "a printed figure of SPMix": _printed("spmix", "84.64 84.59", "84.46 84.59"),
    "a printed figure of LSM": _printed("lsm", "46.8 51.6 61.0", "46.8 51.6 61.1"),
    "a printed figure of CARE": _printed("care", "73.9 0.973 78.2", "73.9 0.973 78.3"),
    "a printed figure of the weighting study": _printed("weighting", "87.5 72.5 80.0 75.5", "87.5 72.5 80.5 75.5"),
    "the sign of PRIOR_RADIUS": _library(
        "saliency/skin_contrast.py",
        "(from_centre - PRIOR_RADIUS)",
        "(from_centre + PRIOR_RADIUS)",
        "saliency/test_skin_model_by_hand.py",
    ),
    "the lesion's share without its limits": _library(
        "saliency/skin_contrast.py", ".clamp(0.02, 0.98)", "", "saliency/test_skin_model_by_hand.py"
    ),
    "ClassSampler deals one order again": _library(
        "sampling/class_sampler.py",
        "torch.rand(decks, len(own), dtype=torch.float64, generator=generator).argsort(1).flatten()",
        "torch.rand(len(own), dtype=torch.float64, generator=generator).argsort().repeat(decks)",
        "sampling/test_class_sampler.py",
    ),
    "the threshold of regions": _library(
        "regions.py", "return saliency > threshold\n", "return saliency >= threshold\n", "test_regions.py"
    ),
    "the threshold of masks": _library("data/image_cache.py", "grey > 127", "grey > 128", "data/test_image_cache.py"),
    "the default of the balanced split": _library(
        "data/splits.py", "val_per_class: int = 20", "val_per_class: int = 46", "data/test_splits.py"
    ),
    "the default of the stratified split": _library(
        "data/splits.py", "test_fraction: float = 0.2,", "test_fraction: float = 0.3,", "data/test_splits.py"
    ),
}
