"""Every option of the SPMix framework in one place, what is refused, and the three recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from framework_methods import METHODS
from framework_networks import PAPER_HYBRID, check_backbone, check_encoder, has_batch_norm

from longtail_mix.mixing.ratio import NOISE

LOSSES = ("supcon", "paco", "bcl")
RATIOS = ("paper", "released", "fidelity")
SALIENCIES = ("fine-grained", "skin-contrast")
STREAMS = ("natural", "balanced", "heads")
MIXED = ("tail", "all")
PRECISIONS = ("no", "bf16", "fp16")
WITH_QUEUE = ("paco", "spmix")

SECOND_STAGE = 0.1  # MiSLAS: the share of the epochs that belongs to the classifier


@dataclass(frozen=True)
class Config:
    """All options of a training; the defaults are the paper's recipe. What the paper does not print is the released
    code's, and marked.
    """

    method: str = "spmix"
    # The network.
    backbone: str = PAPER_HYBRID
    pretrained: bool = False
    size: int = 224
    projection: int = 128  # width of what the contrast compares; PaCo's
    # How it is trained.
    epochs: int = 500
    warmup_epochs: int = 10  # not printed
    batch_size: int = 64  # over all processes
    learning_rate: float = 5e-6
    weight_decay: float = 0.1
    precision: str = "no"
    seed: int = 0
    # The views; not printed.
    crop_scale: tuple[float, float] = (0.2, 1.0)
    operations: int = 2
    magnitude: int = 9
    # The contrast.
    loss: str = "supcon"
    temperature: float = 0.2
    momentum: float = 0.999  # not printed
    queue_size: int = 8192  # not printed
    paco_alpha: float = 0.05
    paco_beta: float = 1.0
    paco_gamma: float = 1.0
    classification_weight: float = 1.0  # of the cross entropy beside SupCon and BCL: BCL's lambda
    contrast_weight: float = 0.35  # BCL's mu
    # The mix.
    ratio: str = "paper"
    saliency: str = "fine-grained"
    alpha: float = 0.8
    noise: float = NOISE  # not printed
    patch_size: int = 16
    mix_layer: str = "patch_embed"
    labels_from: str = "balanced"
    partners_from: str = "heads"
    mixed: str = "tail"
    mix_probability: float = 1.0
    # Table 2.
    patches: bool = True
    saliency_guided: bool = True

    def check(self, processes: int = 1, device: str = "cpu") -> None:
        """Raise ``ValueError`` for what cannot be run, or is switched off where it is not, before any data is read.

        Args:
            processes: how many train together.
            device: the kind of device they train on.
        """
        self._check_numbers()
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if self.size % self.patch_size:
            raise ValueError(f"size: expected a multiple of the patch size {self.patch_size}, got {self.size}")
        if self.batch_size % processes:
            raise ValueError(f"batch_size: expected a multiple of the {processes} processes, got {self.batch_size}")
        if processes > 1 and self.method in WITH_QUEUE and self.queue_size % self.batch_size:
            # Each fills it with the same keys in another order: only whole batches leave it together.
            raise ValueError(
                f"queue_size: expected a multiple of the batch size {self.batch_size} for {processes} processes, "
                f"got {self.queue_size}"
            )
        if self.epochs <= self.warmup_epochs:
            raise ValueError(f"epochs: expected more than the {self.warmup_epochs} of the warm-up, got {self.epochs}")
        if self.method == "mislas" and self.epochs < 2:
            raise ValueError(f"epochs: expected one or more for each of the two stages of mislas, got {self.epochs}")
        for name in ("patches", "saliency_guided"):
            if self.method != "spmix" and not getattr(self, name):
                raise ValueError(f"{name}: expected True for {self.method}, which does not mix by patches, got False")
        if self.labels_from == "heads":
            raise ValueError("labels_from: expected natural or balanced, as every class has to be learnt, got 'heads'")
        if self.precision == "fp16" and device == "cpu":
            raise ValueError("precision: expected no or bf16 on a CPU, got 'fp16'")
        check_backbone(self.backbone, self.pretrained)
        layer = self.mix_layer if self.method == "spmix" else None
        encoder = check_encoder(self.backbone, self.size, layer, self.patch_size)
        if processes > 1 and device == "cpu" and has_batch_norm(encoder):
            raise ValueError(
                f"backbone: expected a network without BatchNorm, as tiny_hybrid, for {processes} processes on a CPU "
                f"(SyncBatchNorm needs CUDA), got {self.backbone}"
            )

    def _check_numbers(self) -> None:
        for name, (low, high, open_low) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name}: expected a number, got {value!r}")
            if not (low < value if open_low else low <= value) or not value <= high or value == _INF:
                bounds = f"{'above' if open_low else 'of at least'} {low:g}"
                bounds += f" and at most {high:g}" if high < float("inf") else ""
                raise ValueError(f"{name}: expected a number {bounds}, got {value}")
        for name in _WHOLE:
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name}: expected a whole number, got {getattr(self, name)!r}")
        smallest, largest = self.crop_scale
        if not 0 < smallest <= largest <= 1:
            raise ValueError(f"crop_scale: expected 0 < low <= high <= 1, got {self.crop_scale}")

    @property
    def first_stage(self) -> int:
        """How many epochs of MiSLAS train the features; the others train the classifier."""
        return self.epochs - max(1, round(SECOND_STAGE * self.epochs))

    @property
    def mixes(self) -> bool:
        """Whether images are mixed by a ratio from saliency maps."""
        return self.method == "spmix"


_CHOICES = {
    "method": METHODS,
    "loss": LOSSES,
    "ratio": RATIOS,
    "saliency": SALIENCIES,
    "labels_from": STREAMS,
    "partners_from": STREAMS,
    "mixed": MIXED,
    "precision": PRECISIONS,
}
_INF = float("inf")
_RANGES = {  # lowest, highest, whether the lowest is left out
    "size": (1, _INF, False),
    "projection": (1, _INF, False),
    "epochs": (1, _INF, False),
    "warmup_epochs": (0, _INF, False),
    "batch_size": (1, _INF, False),
    "learning_rate": (0, _INF, True),
    "weight_decay": (0, _INF, False),
    "operations": (0, _INF, False),
    "magnitude": (0, 30, False),  # as in torchvision, where 30 is the most
    "temperature": (0, _INF, True),
    "momentum": (0, 1, False),
    "queue_size": (0, _INF, False),
    "paco_alpha": (0, _INF, False),
    "paco_beta": (0, _INF, False),
    "paco_gamma": (0, _INF, False),
    "classification_weight": (0, _INF, True),
    "contrast_weight": (0, _INF, True),
    "alpha": (0, 1, True),
    "noise": (0, _INF, False),
    "patch_size": (1, _INF, False),
    "mix_probability": (0, 1, True),
}
_WHOLE = ("size", "projection", "epochs", "warmup_epochs", "batch_size", "operations", "queue_size", "patch_size")

PAPER = Config()
RELEASED = replace(PAPER, loss="paco", ratio="released", labels_from="natural", partners_from="balanced", mixed="all")
OURS = replace(PAPER, loss="paco", ratio="fidelity", saliency="skin-contrast", mix_probability=0.5, noise=0.0)
RECIPES = {"paper": PAPER, "released": RELEASED, "ours": OURS}
