"""The recipe of docs/saliency.md: a map goes through the very crop and flip of its image."""

import re
from pathlib import Path

import torch
from kornia.augmentation import AugmentationSequential


def test_the_recipe_moves_maps_as_it_moves_images():
    text = (Path(__file__).parents[1] / "docs" / "saliency.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(recipe, names)
    crop, images = names["crop"], names["images"]
    assert isinstance(crop, AugmentationSequential)
    assert isinstance(images, torch.Tensor)
    assert images.shape == (8, 3, 64, 64)
    # A map that is one of the channels of its image is that channel still.
    frames = torch.rand(8, 3, 96, 96)
    views = crop(torch.cat([frames, frames[:, :1]], 1))
    assert torch.equal(views[:, 3:], views[:, :1])
    assert not torch.equal(views[0], crop(torch.cat([frames, frames[:, :1]], 1))[0])  # it is drawn anew
