"""``torchvision.tv_tensors`` in, the same out; torchvision is imported by those who have some, not by us."""

from __future__ import annotations

import sys
from typing import Any

from torch import Tensor


def plain(value: Tensor) -> Tensor:
    """The tensor without what it says of itself."""
    return value.as_subclass(Tensor)


def as_before(value: Tensor, like: Tensor) -> Tensor:
    """A plain tensor as what `like` is: a mask, boxes or key points of the same canvas."""
    tv_tensors = _loaded()
    if tv_tensors is None or not isinstance(like, tv_tensors.TVTensor):
        return value
    wrapped: Tensor = tv_tensors.wrap(value, like=like)
    return wrapped


def canvas_size(value: Tensor) -> tuple[int, int] | None:
    """The height and width of the image that boxes or key points lie in, where they say it."""
    return getattr(value, "canvas_size", None)


def corners(boxes: Tensor) -> Tensor:
    """Plain boxes (x1, y1, x2, y2), whatever form theirs have."""
    return _converted(plain(boxes), boxes, into="XYXY")


def in_form_of(boxes: Tensor, like: Tensor) -> Tensor:
    """Boxes (x1, y1, x2, y2) in the form of others."""
    return as_before(_converted(boxes, like, out_of="XYXY"), like)


def _converted(boxes: Tensor, like: Tensor, into: str | None = None, out_of: str | None = None) -> Tensor:
    tv_tensors = _loaded()
    if tv_tensors is None or not isinstance(like, tv_tensors.BoundingBoxes):
        return boxes
    from torchvision.transforms.v2.functional import convert_bounding_box_format

    form = like.format.name
    converted: Tensor = convert_bounding_box_format(boxes, old_format=out_of or form, new_format=into or form)
    return converted


def _loaded() -> Any:
    """The module, if somebody has loaded it: there are no tensors of its kind before."""
    return sys.modules.get("torchvision.tv_tensors")
