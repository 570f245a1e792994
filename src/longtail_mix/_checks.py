"""Argument checks: every message says what was expected and what came.

Shapes, dtypes and devices are always checked. Checks that read the values of a tensor run only where they
cost no host synchronisation: on CPU tensors outside ``torch.compile``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from importlib.util import find_spec
from math import isfinite
from numbers import Integral, Rational, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LABEL_DTYPES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
"""What labels may be. PyTorch neither compares nor indexes with uint16, uint32 and uint64."""

LARGEST_OPTION = 1e4
"""The most that a weight, a scale or an exponent may be: far beyond all use, and far from what overflows."""

LARGEST_WHOLE = 2**63 - 1  # what int64 holds

MOST_CLASSES = 2**20  # more are a mistake, and would take gigabytes before anybody sees it


def needs_extra(package: str, extra: str) -> None:
    """Raise ``ImportError`` with the extra to install where `package` is missing."""
    if find_spec(package) is None:
        raise ImportError(f"{package}: expected it to be installed, pip install 'longtail-mix[{extra}]'", name=package)


def values_are_readable(tensor: Tensor) -> bool:
    """Whether the values of `tensor` can be looked at without stalling a device or breaking a graph."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def check_tensor(value: object, name: str) -> None:
    """Raise ``TypeError`` unless `value` is a tensor that PyTorch computes with: neither sparse nor of 8-bit floats."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    if value.layout is not torch.strided:
        raise TypeError(f"{name}: expected a dense tensor, got layout {value.layout}")
    if value.is_floating_point() and value.dtype.itemsize == 1:
        raise TypeError(f"{name}: expected float16, bfloat16, float32 or float64, got {value.dtype}")


def check_has_values(tensor: Tensor, name: str) -> None:
    """Raise ``ValueError`` for a tensor on the meta device, where the result depends on its values."""
    if tensor.device.type == "meta":
        raise ValueError(f"{name}: expected a tensor with values, got one on the meta device")


def check_floating(tensor: Tensor, name: str) -> None:
    """Raise ``TypeError`` unless `tensor` is a floating-point tensor."""
    check_tensor(tensor, name)
    if not tensor.is_floating_point():
        raise TypeError(f"{name}: expected a floating-point tensor, got {tensor.dtype}")


def is_finite(tensor: Tensor) -> bool:
    """Whether a floating-point tensor holds neither NaN nor an infinity; reads the values, in one pass."""
    if not tensor.numel():
        return True
    lowest, highest = torch.aminmax(tensor.detach())  # NaN, where there is one
    return bool(torch.isfinite(lowest) & torch.isfinite(highest))


def check_finite(tensor: Tensor, name: str) -> None:
    """Raise ``ValueError`` where a readable `tensor` holds NaN or an infinity."""
    if values_are_readable(tensor) and not is_finite(tensor):
        raise ValueError(f"{name}: expected finite values, got NaN or infinity")


def check_images(images: Tensor, name: str = "images") -> None:
    """Images [B,3,H,W], uint8 or floating point, at least one pixel each."""
    check_tensor(images, name)
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"{name}: expected uint8 or floating-point images, got {images.dtype}")
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"{name}: expected RGB images [B, 3, H, W], got shape {list(images.shape)}")
    check_has_pixels(images, name)


def check_map(saliency: Tensor, name: str = "saliency") -> None:
    """Maps [B,1,H,W], floating point, finite, at least one pixel each."""
    check_map_form(saliency, name)
    check_finite(saliency, name)


def check_map_form(saliency: Tensor, name: str = "saliency") -> None:
    """Maps [B,1,H,W], floating point, at least one pixel each, whatever its value."""
    check_floating(saliency, name)
    if saliency.ndim != 4 or saliency.shape[1] != 1:
        raise ValueError(f"{name}: expected maps [B, 1, H, W], got shape {list(saliency.shape)}")
    check_has_pixels(saliency, name)


def check_share(share: Tensor, name: str) -> None:
    """A floating-point tensor whose values, where they are readable, lie in [0, 1]."""
    check_floating(share, name)
    if not values_are_readable(share) or not share.numel():
        return
    lowest, highest = torch.aminmax(share.detach())  # NaN, where there is one
    if not (lowest >= 0 and highest <= 1):
        raise ValueError(f"{name}: expected values in [0, 1], got {lowest:.3g} to {highest:.3g}")


def check_has_pixels(tensor: Tensor, name: str) -> None:
    """Raise ``ValueError`` where an image or map has no height or no width."""
    if 0 in tensor.shape[-2:]:
        raise ValueError(f"{name}: expected at least one pixel, got shape {list(tensor.shape)}")


def check_alike(first: Tensor, second: Tensor, first_name: str, second_name: str) -> None:
    """Two tensors of one shape, dtype and device."""
    for what, a, b in (
        ("shape", list(first.shape), list(second.shape)),
        ("dtype", first.dtype, second.dtype),
        ("device", first.device, second.device),
    ):
        if a != b:
            raise ValueError(f"{second_name}: expected {what} {a} like {first_name}, got {b}")


def check_same_device(first: Tensor, second: Tensor, first_name: str, second_name: str) -> None:
    """Two tensors on one device."""
    if first.device != second.device:
        raise ValueError(f"{second_name}: expected device {first.device} like {first_name}, got {second.device}")


def check_integers(tensor: Tensor, name: str, what: str = "values") -> None:
    """Raise ``TypeError`` unless `tensor` holds integers that PyTorch compares and indexes with."""
    check_tensor(tensor, name)
    if tensor.dtype not in LABEL_DTYPES:
        wide = tensor.dtype in (torch.uint16, torch.uint32, torch.uint64)
        hint = ", which PyTorch does not compute with: give int64" if wide else ""
        raise TypeError(f"{name}: expected integer {what}, got {tensor.dtype}{hint}")


def check_labels_or_shares(labels: Tensor, num_classes: int | None = None, name: str = "labels") -> None:
    """Integer labels [B], or for each image a share of each class in [0, 1]: [B, K], floating point."""
    if not isinstance(labels, Tensor) or labels.ndim != 2:
        check_labels(labels, num_classes, name)
        return
    if not labels.is_floating_point():
        raise TypeError(
            f"{name}: expected 0.0 and 1.0 for each class in labels [B, K], as float() makes, got {labels.dtype}"
        )
    check_share(labels, name)
    if labels.shape[1] == 0 or num_classes not in (None, labels.shape[1]):
        expected = "one or more" if num_classes is None else num_classes
        raise ValueError(f"{name}: expected a share for each of {expected} classes, got shape {list(labels.shape)}")


def check_labels(labels: Tensor, num_classes: int | None = None, name: str = "labels") -> None:
    """Integer labels [B], at least 0, and at most ``num_classes - 1`` where a number of classes is given."""
    if isinstance(labels, Tensor) and labels.ndim == 2 and labels.is_floating_point():
        raise ValueError(
            f"{name}: expected one class for each image [B], got several, {list(labels.shape)}; those go through "
            'pairings and mixes without class counts, and target.loss(nn.BCEWithLogitsLoss(reduction="none"), logits)'
        )
    check_integers(labels, name, "labels")
    if labels.ndim != 1:
        raise ValueError(f"{name}: expected labels [B], got shape {list(labels.shape)}")
    if not values_are_readable(labels):
        return
    outside = labels[labels < 0 if num_classes is None else (labels < 0) | (labels >= num_classes)]
    if len(outside):
        expected = "of at least 0" if num_classes is None else f"from 0 to {num_classes - 1}"
        raise ValueError(f"{name}: expected labels {expected}, got {outside[:5].tolist()}")


def as_labels(labels: object, name: str = "labels", several: bool = False) -> Tensor:
    """Labels as a tensor on the CPU: integers [N], or also, with `several`, 0 and 1 for each class [N, K].

    A tensor, a NumPy array, a column of a data frame or of ``datasets``, or a sequence of whole numbers.
    """
    if not isinstance(labels, Tensor):
        if (
            isinstance(labels, str | Mapping | Set)
            or not isinstance(labels, Iterable)
            or not getattr(labels, "ndim", 1)
        ):
            raise TypeError(f"{name}: expected whole numbers, got {type(labels).__name__}")
        try:
            array = np.asarray(labels if hasattr(labels, "__array__") else list(labels))
            labels = torch.as_tensor(array) if len(array) else torch.empty(0, dtype=torch.int64)
        except (TypeError, ValueError) as error:  # names, rows of different lengths
            raise TypeError(f"{name}: expected whole numbers, got {next(iter(labels))!r}") from error
    check_tensor(labels, name)
    check_has_values(labels, name)
    labels = labels.detach().cpu()
    if not several or labels.ndim != 2:
        check_labels(labels, name=name)
        return labels
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError(f"{name}: expected 0 or 1 for each class in labels [N, K], got {labels.unique()[:5].tolist()}")
    return labels


def check_counted(labels: Tensor, class_counts: Tensor, name: str = "labels") -> None:
    """Integer labels [B], each of a class that has images by `class_counts` [K]; both on one device."""
    check_labels(labels, len(class_counts), name)
    check_same_device(class_counts, labels, "class_counts", name)
    if not values_are_readable(labels):
        return
    uncounted = labels[class_counts[labels.long()] == 0]
    if len(uncounted):
        raise ValueError(
            f"{name}: expected labels of classes that class_counts {class_counts.tolist()} has images of, "
            f"got {uncounted[:5].tolist()}"
        )


def check_index(index: Tensor, size: int, length: int, name: str) -> None:
    """Integers [length] that name members of a batch of `size`, from 0 on."""
    check_tensor(index, name)
    if index.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{name}: expected int64 or int32 positions, got {index.dtype}")
    if index.shape != (length,):
        raise ValueError(f"{name}: expected shape [{length}], one for each ratio, got {list(index.shape)}")
    if values_are_readable(index) and ((index < 0) | (index >= size)).any():
        raise ValueError(f"{name}: expected positions from 0 to {size - 1}, got {index.min()} to {index.max()}")


def check_class_counts(class_counts: Sequence[int] | Tensor) -> tuple[int, ...]:
    """The counts as a tuple of ints: not empty, none negative, not all zero."""
    if isinstance(class_counts, Mapping | Set):  # their order is not that of the labels
        raise TypeError(f"class_counts: expected a sequence, one count a label, got {type(class_counts).__name__}")
    counts = check_whole_numbers(class_counts, "class_counts")
    if not counts:
        raise ValueError("class_counts: expected at least one class, got none")
    if min(counts) < 0:
        raise ValueError(f"class_counts: expected no negative count, got {list(counts)}")
    if max(counts) == 0:
        raise ValueError(f"class_counts: expected at least one image, got {list(counts)}")
    if _look_like_labels(counts):
        raise ValueError(
            f"class_counts: expected the images per class, got {len(counts)} numbers that look like labels from 0 to "
            f"{max(counts)}; torch.bincount(labels) counts them"
        )
    return counts


def _look_like_labels(counts: tuple[int, ...]) -> bool:
    """Many numbers, every one from 0 to the largest among them, and far fewer different ones than numbers."""
    return len(counts) >= 20 and len(counts) > 2 * (max(counts) + 1) and set(counts) == set(range(max(counts) + 1))


def check_counts_of_all(class_counts: Sequence[int] | Tensor) -> tuple[int, ...]:
    """The counts as a tuple of ints, none of them zero: for methods that say nothing about a class without images."""
    counts = check_class_counts(class_counts)
    if 0 in counts:
        raise ValueError(f"class_counts: expected images of every class, got {list(counts)}")
    return counts


def check_whole_numbers(values: object, name: str) -> tuple[int, ...]:
    """The numbers of a sequence, a set, an array or a tensor as a tuple of ints."""
    numbers = _members(values, name, "whole numbers")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | Integral):
            raise TypeError(f"{name}: expected whole numbers, got {number!r}")
        check_fits(int(number), name)
    return tuple(int(number) for number in numbers)


def _members(values: object, name: str, expected: str) -> tuple[Any, ...]:
    """What a sequence, a set, an array or a tensor is made of."""
    if isinstance(values, Tensor):
        check_tensor(values, name)
        check_has_values(values, name)
        values = values.tolist()
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping | nn.Module):
        raise TypeError(f"{name}: expected {expected}, got {values!r}")
    if getattr(values, "ndim", 1) == 0:  # an array that says it can be iterated over, and cannot
        raise TypeError(f"{name}: expected {expected}, got an array without dimensions")
    return tuple(values)


def as_numbers(values: object, name: str) -> Tensor:
    """Numbers of a sequence, an array or a tensor as float64 [K], at least one, on the CPU."""
    numbers = _members(values, name, "numbers")
    for number in numbers:
        check_number(number, name)
    if not numbers:
        raise ValueError(f"{name}: expected at least one number, got none")
    return torch.tensor([float(number) for number in numbers], dtype=torch.float64)


def check_number(value: object, name: str) -> None:
    """Raise unless `value` is an int, a float or a number of NumPy's."""
    if isinstance(value, int | Integral):
        check_whole(value, name, None)
        check_fits(int(value), name)
    elif not isinstance(value, Real) or isinstance(value, Rational):
        raise TypeError(f"{name}: expected a number, got {value!r}")


def check_whole(value: object, name: str, lowest: int | None, highest: int = LARGEST_WHOLE) -> None:
    """Raise unless `value` is a whole number; with `lowest`, one from `lowest` to `highest`."""
    if isinstance(value, bool) or not isinstance(value, int | Integral):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if lowest is not None:
        number = int(value)
        check_fits(number, name)
        if number < lowest:
            raise ValueError(f"{name}: expected at least {lowest}, got {number}")
        if number > highest:
            raise ValueError(f"{name}: expected at most {highest}, got {number}")


def written(size: Sequence[int]) -> str:
    """A size as errors write it: 4x8."""
    return "x".join(str(number) for number in size)


def check_fits(number: int, name: str) -> None:
    """Raise ``ValueError`` unless int64 holds the number."""
    if abs(number) > LARGEST_WHOLE:
        raise ValueError(f"{name}: expected a whole number of at most 2^63 - 1, got one of {number.bit_length()} bits")


def check_callable(value: object, name: str, expected: str) -> None:
    """Raise ``TypeError`` unless `value` can be called; `expected` says with what."""
    if not callable(value):
        raise TypeError(f"{name}: expected {expected}, got {value!r}")


def check_state(state: object, names: Iterable[str]) -> None:
    """Raise unless `state` is a dictionary with these names, as ``state_dict`` returns it."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state: expected what state_dict() returns, got {state!r:.80}")
    missing = [name for name in names if name not in state]
    if missing:
        raise ValueError(f"state: expected what state_dict() returns, got one without {', '.join(missing)}")


def check_alpha(alpha: float) -> None:
    """Raise ``ValueError`` unless 0 < alpha <= 1."""
    check_number(alpha, "alpha")
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"alpha: expected 0 < alpha <= 1, got {alpha}")


def check_probability(probability: float, name: str = "probability") -> None:
    """Raise ``ValueError`` unless 0 <= probability <= 1."""
    check_number(probability, name)
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"{name}: expected a number from 0 to 1, got {probability}")


def check_positive(value: float, name: str) -> None:
    """Raise ``ValueError`` unless `value` is a finite number above 0."""
    check_number(value, name)
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{name}: expected a finite number above 0, got {value}")


def check_not_negative(value: float, name: str) -> None:
    """Raise unless `value` is a finite number of at least 0 that leaves float32 room to compute with."""
    check_number(value, name)
    if not 0.0 <= value < float("inf"):
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value}")
    check_not_huge(value, name)


def check_not_huge(value: float, name: str) -> None:
    """Raise ``ValueError`` for an option that would overflow what it is multiplied with."""
    if abs(value) > LARGEST_OPTION:
        raise ValueError(f"{name}: expected at most {LARGEST_OPTION:g}, got {value}")


def check_noise(noise: float) -> None:
    """Raise ``ValueError`` unless the amount of noise is finite and not negative."""
    check_not_negative(noise, "noise")


def check_divisible(tensor: Tensor, patch_size: int, name: str) -> None:
    """Raise ``ValueError`` unless height and width are multiples of the patch."""
    height, width = tensor.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"{name}: expected height and width divisible by the patch size {patch_size}, got {height}x{width}"
        )


def check_generator(generator: torch.Generator | None, device: torch.device) -> None:
    """Raise unless `generator` is None or a generator of the same kind of device."""
    if generator is None:
        return
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator: expected a torch.Generator or None, got {type(generator).__name__}")
    if generator.device.type != device.type:
        raise ValueError(f"generator: expected a generator on {device.type}, got one on {generator.device.type}")


def check_normalisation(
    mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Both None, or three finite means and three finite positive standard deviations, as tuples."""
    if (mean is None) != (std is None):
        raise ValueError(f"mean, std: expected both or neither, got mean={mean}, std={std}")
    if mean is None or std is None:
        return None, None
    means, stds = (_members(numbers, name, "three numbers") for numbers, name in ((mean, "mean"), (std, "std")))
    for numbers, name in ((means, "mean"), (stds, "std")):
        for number in numbers:
            check_number(number, name)
    mean, std = tuple(float(m) for m in means), tuple(float(s) for s in stds)
    if len(mean) != 3 or not all(map(isfinite, mean)):
        raise ValueError(f"mean: expected three finite numbers, got {mean}")
    if len(std) != 3 or not all(isfinite(s) and s > 0 for s in std):
        raise ValueError(f"std: expected three positive numbers, got {std}")
    return mean, std
