"""ISIC 2017 Task 1 (lesion segmentation) as the challenge hands it out: pictures and lesion masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from longtail_mix.data._challenge_folder import refuse, resolve_root

__all__ = ["Isic2017", "read_isic2017"]

_PICTURES = "ISIC-2017_Training_Data"
_MASKS = "ISIC-2017_Training_Part1_GroundTruth"


@dataclass(frozen=True)
class Isic2017:
    """The training pictures of ISIC 2017 Task 1, one row a picture, rows ordered by name.

    Attributes:
        names: the pictures' ids, such as ``ISIC_0000000``.
        paths: their JPEG files.
        masks: their lesion masks, PNG files of 0 and 255.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    masks: tuple[Path, ...]


def read_isic2017(root: str | Path | None = None) -> Isic2017:
    """Join the pictures and the lesion masks of ISIC 2017 Task 1, without decoding any.

    Under `root` lie ``ISIC-2017_Training_Data/<name>.jpg`` and
    ``ISIC-2017_Training_Part1_GroundTruth/<name>_segmentation.png``. The data are for research: cite Codella et al.,
    arXiv:1710.05006.

    Args:
        root: the folder; None takes it from the environment variable ``ISIC2017_ROOT``.

    Raises:
        FileNotFoundError: a folder is missing or has no picture.
        ValueError: `root` is None and ``ISIC2017_ROOT`` is unset; or pictures and masks do not match one to one.

    Example:
        >>> import os
        >>> if "ISIC2017_ROOT" in os.environ:
        ...     assert len(read_isic2017().names) == 2000
    """
    root = resolve_root(root, "ISIC2017_ROOT")
    pictures, masks = root / _PICTURES, root / _MASKS
    for folder in (pictures, masks):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: not found; expected the layout of ISIC 2017 Task 1")
    # The challenge puts superpixels (PNG) beside the pictures.
    by_name = {path.stem: path for path in sorted(pictures.glob("*.jpg"))}
    mask_of = {path.stem.removesuffix("_segmentation"): path for path in masks.glob("*_segmentation.png")}
    if not by_name:
        raise FileNotFoundError(f"{pictures}: expected *.jpg pictures, found none")
    refuse(root, "pictures have no mask", by_name.keys() - mask_of)
    refuse(root, "masks have no picture", mask_of.keys() - by_name)
    return Isic2017(tuple(by_name), tuple(by_name.values()), tuple(mask_of[name] for name in by_name))
