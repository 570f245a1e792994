"""ISIC 2017 Task 1 (lesion segmentation) as the challenge hands it out: images and lesion masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from longtail_mix.data._challenge_folder import refuse, resolve_root

__all__ = ["Isic2017", "read_isic2017"]

_IMAGES = "ISIC-2017_Training_Data"
_MASKS = "ISIC-2017_Training_Part1_GroundTruth"


@dataclass(frozen=True)
class Isic2017:
    """The training images of ISIC 2017 Task 1, one row an image, rows ordered by name.

    Attributes:
        names: the images' ids, such as ``ISIC_0000000``.
        paths: their JPEG files.
        masks: their lesion masks, PNG files of 0 and 255.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    masks: tuple[Path, ...]


def read_isic2017(root: str | Path | None = None) -> Isic2017:
    """Join the images and the lesion masks of ISIC 2017 Task 1, without decoding any.

    Under `root` lie ``ISIC-2017_Training_Data/<name>.jpg`` and
    ``ISIC-2017_Training_Part1_GroundTruth/<name>_segmentation.png``. The data are for research: cite Codella et al.,
    arXiv:1710.05006.

    Args:
        root: the folder; None takes it from the environment variable ``ISIC2017_ROOT``.

    Raises:
        FileNotFoundError: a folder is missing or has no image.
        ValueError: `root` is None and ``ISIC2017_ROOT`` is unset; or images and masks do not match one to one.

    Example:
        >>> import os
        >>> if "ISIC2017_ROOT" in os.environ:
        ...     assert len(read_isic2017().names) == 2000
    """
    root = resolve_root(root, "ISIC2017_ROOT")
    images, masks = root / _IMAGES, root / _MASKS
    for folder in (images, masks):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: not found; expected the layout of ISIC 2017 Task 1")
    # The challenge puts superpixels (PNG) beside the images.
    by_name = {path.stem: path for path in sorted(images.glob("*.jpg"))}
    mask_of = {path.stem.removesuffix("_segmentation"): path for path in masks.glob("*_segmentation.png")}
    if not by_name:
        raise FileNotFoundError(f"{images}: expected *.jpg images, found none")
    refuse(root, "images have no mask", by_name.keys() - mask_of)
    refuse(root, "masks have no image", mask_of.keys() - by_name)
    return Isic2017(tuple(by_name), tuple(by_name.values()), tuple(mask_of[name] for name in by_name))
