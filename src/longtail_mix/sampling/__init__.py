"""Samplers that know the classes: reproducible, safe under distributed training, resumable."""

from longtail_mix.sampling.class_sampler import ClassSampler
from longtail_mix.sampling.epochs import EpochSampler, ShuffledSampler
from longtail_mix.sampling.labels import dataset_labels
from longtail_mix.sampling.probabilities import (
    ProgressiveProbabilities,
    balanced_probabilities,
    class_probabilities,
    progressive_probabilities,
    reversed_probabilities,
    square_root_probabilities,
)
from longtail_mix.sampling.resumable import ResumableLoader
from longtail_mix.sampling.streams import TwoStreamLoader

__all__ = [
    "ClassSampler",
    "EpochSampler",
    "ProgressiveProbabilities",
    "ResumableLoader",
    "ShuffledSampler",
    "TwoStreamLoader",
    "balanced_probabilities",
    "class_probabilities",
    "dataset_labels",
    "progressive_probabilities",
    "reversed_probabilities",
    "square_root_probabilities",
]
