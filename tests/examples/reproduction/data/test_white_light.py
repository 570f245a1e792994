"""Every side of a task is corrected, and nothing but the images changes."""

import torch

from longtail_mix import ShadesOfGray
from reproduction.data.frames import Squash
from reproduction.data.synthetic import Synthetic
from reproduction.data.white_light import WhiteLight


def test_all_sides_are_under_white_light():
    source = Synthetic(counts=(4, 3, 2), test_per_class=2, validation_per_class=1)
    before, after = (data.task(Squash(32), 0) for data in (source, WhiteLight(source)))
    for dark, white in (
        (before.train, after.train),
        (before.test(), after.test()),
        (before.validation, after.validation),
    ):
        assert torch.equal(white.images, ShadesOfGray(6.0)(dark.images))
        assert not torch.equal(white.images, dark.images)
        assert torch.equal(white.labels, dark.labels)
        assert white.groups == dark.groups
        light = white.images.double().pow(6).mean((2, 3)).pow(1 / 6)
        assert (light.amax(1) / light.amin(1)).max() < 1.1
