"""Made-up dermoscopy with lesion masks: a long-tailed set for tests and demos, nothing to download."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix.data._made_up import check_made_up, parts
from longtail_mix.data.synthetic_evidence import LESION_TYPES, paint_lesions
from longtail_mix.data.synthetic_lesions import draw_lesions, place_lesions, uniform
from longtail_mix.data.synthetic_scene import draw_hairs, draw_skin, draw_tones, take_images, tint_around

__all__ = ["LESION_TYPES", "SyntheticDermoscopy", "synthetic_dermoscopy"]


class SyntheticDermoscopy(NamedTuple):
    """N images of S x S pixels, what they show and where.

    Attributes:
        images: uint8 [N, 3, S, S], RGB.
        labels: int64 [N], in random order; ``LESION_TYPES[label]`` names the class.
        masks: bool [N, 1, S, S], true inside the lesion.
        lesions: the id of the lesion each image shows; a lesion has one or two images.
        tints: int64 [N], the hue of the skin: the class to which the background points.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    lesions: tuple[str, ...]
    tints: Tensor


def synthetic_dermoscopy(
    class_counts: Sequence[int] | Tensor, size: int = 64, seed: int = 0, background_cue: float = 0.0
) -> SyntheticDermoscopy:
    """Draw made-up dermoscopy: ``class_counts[k]`` images of class ``k``.

    An image has skin of some tone with mottling and uneven light, often hairs and dark corners, camera noise,
    and one lesion with an irregular border. Border, size, colour and place are drawn alike for all classes. The
    type shows only strictly inside the lesion's mask: class 0 has a pigment network, 1 a white scar-like patch,
    2 red lacunae, 3 a blue-white veil, 4 milia-like cysts, 5 an eccentric dark blotch and 6 globules. The
    structures are those of the dermoscopy textbooks, the images are drawings: nothing learnt here is medical.

    The skin outside the mask is tinted with one of K hues, and that is the background cue: with probability
    `background_cue` an image has the hue of its own class, otherwise any of the K with equal chance. At 0 the
    background says nothing about the class. Train with 0.95 and test with 0 to have a cue that holds in training
    and fails afterwards: a rare class then has hardly an image that contradicts it.

    Of the images of a class every fifth shows the lesion of the one drawn before from another angle, so split by
    `lesions`. The same arguments give the same images. Two sets that differ only in the one class that has
    images, as ``[5, 0]`` and ``[0, 5]``, differ only inside the masks; two sets that differ only in the cue,
    only outside them.

    Args:
        class_counts: images per class, [K] with K from 1 to 7; a class may have none.
        size: pixels a side, at least 32.
        seed: seeds the only random generator used; the global one stays as it is.
        background_cue: from 0 to 1.

    Raises:
        ValueError: counts that are empty, negative, all zero or more than seven; `size` or `background_cue`
            out of range.
        TypeError: a count or a size that is not a whole number.

    Example:
        >>> data = synthetic_dermoscopy([6, 3, 1], size=32, background_cue=1.0)
        >>> data.images.shape, data.images.dtype, data.labels.bincount().tolist()
        (torch.Size([10, 3, 32, 32]), torch.uint8, [6, 3, 1])
        >>> torch.equal(data.tints, data.labels)
        True
    """
    counts = check_made_up(class_counts, len(LESION_TYPES), size, seed, background_cue, "background_cue")
    generator = torch.Generator().manual_seed(int(seed))
    number = sum(counts)
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    rank = torch.cat([torch.arange(count) for count in counts])  # of an image within its class
    lesion_index = (rank % 5 != 4).cumsum(0) - 1
    order = torch.randperm(number, generator=generator)
    labels, lesion_index = labels[order], lesion_index[order]
    # Both draws are made whatever the cue, so that the cue changes nothing else.
    any_tint = torch.randint(len(counts), (number,), generator=generator)
    tints = torch.where(uniform(generator, number) < background_cue, labels, any_tint)

    lesions = draw_lesions(number, generator)
    tones = draw_tones(number, generator)
    images = torch.empty(number, 3, size, size, dtype=torch.uint8)
    masks = torch.empty(number, 1, size, size, dtype=torch.bool)
    for part in parts(number, size):
        shown = lesions.take(lesion_index[part])
        center = uniform(generator, len(part), 2, low=-0.25, high=0.25)
        angle = uniform(generator, len(part), high=2 * math.pi)
        zoom = uniform(generator, len(part), low=0.9, high=1.1)
        place = place_lesions(shown, center, angle, zoom, size)
        scene = draw_skin(tones[lesion_index[part]], size, generator)
        scene = paint_lesions(scene, shown, place, labels[part])
        scene = tint_around(scene, place.depth, tints[part], len(counts))
        images[part] = take_images(draw_hairs(scene, generator), generator)
        masks[part] = place.depth[:, None] < 1.0
    names = tuple(f"synthetic_{index:06d}" for index in lesion_index.tolist())
    return SyntheticDermoscopy(images, labels, masks, names, tints)
