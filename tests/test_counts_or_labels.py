"""Labels given where counts are expected are told from counts."""

import pytest
import torch

from longtail_mix import HeadTailPairing, LDAMLoss, SPMix
from longtail_mix.sampling import balanced_probabilities

LABELS = torch.arange(3).repeat_interleave(torch.tensor([50, 20, 5]))


@pytest.mark.parametrize("use", [SPMix, HeadTailPairing, LDAMLoss, balanced_probabilities])
@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist(), LABELS[torch.randperm(75)]])
def test_labels_are_refused(use, labels):
    message = (
        r"class_counts: expected the images per class, got 75 numbers that look like labels from 0 to 2; torch.bin"
    )
    with pytest.raises(ValueError, match=message):
        use(labels)


@pytest.mark.parametrize(
    "counts", [[5, 4, 3] * 40, [1] * 500, [2, 1] * 50, list(range(60)), [0, 1, 0, 1], [0] * 30 + [9]]
)
def test_counts_are_not(counts):
    SPMix(counts) if max(counts) > min(counts) else balanced_probabilities(counts)
