"""Measures on torchmetrics: of a long-tailed classifier, of a saliency map, of what a mix keeps."""

from longtail_mix.metrics import _extra  # noqa: F401 - comes first: it raises where torchmetrics is missing
from longtail_mix.metrics.fidelity import MixFidelity, mix_fidelity
from longtail_mix.metrics.long_tail import GroupAccuracy, long_tail_metrics
from longtail_mix.metrics.saliency_quality import (
    BestThresholdIoU,
    SaliencyAUROC,
    auroc_and_iou,
    best_threshold_iou,
    saliency_auroc,
)

__all__ = [
    "BestThresholdIoU",
    "GroupAccuracy",
    "MixFidelity",
    "SaliencyAUROC",
    "auroc_and_iou",
    "best_threshold_iou",
    "long_tail_metrics",
    "mix_fidelity",
    "saliency_auroc",
]
