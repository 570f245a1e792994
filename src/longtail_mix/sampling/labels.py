"""The labels of a data set without loading an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from longtail_mix._checks import as_labels

__all__ = ["dataset_labels"]


_KEYS = ("label", "labels", "target", "targets")


def dataset_labels(dataset: Any, key: str | None = None) -> Tensor:
    """Label of each image of a data set, int64 [N], in its order.

    It loads no image. It knows where the labels are in

    - data sets with ``targets`` or ``labels``, as those of torchvision, with their ``target_transform``, if any;
    - a ``TensorDataset``: its second tensor;
    - those of timm (the samples of their reader);
    - those of ``datasets`` (a column), rows that are dictionaries, and data sets of MONAI over such rows;
    - ``Subset`` (so also ``random_split``) and ``ConcatDataset`` of these, however nested.

    Where a data set tells its labels in no such way, collect them once yourself.

    Args:
        dataset: any of these.
        key: the name of the label in a column or a row. Default: ``label``, ``labels``, ``target`` or ``targets``,
            whichever there is.

    Raises:
        TypeError: a data set that does not tell, labels that are not whole numbers.
        ValueError: not one label for each image, or a negative one; a `key` that is not there, or none of the four
            where none is given.

    Example:
        >>> from torch.utils.data import Subset, TensorDataset
        >>> dataset = TensorDataset(torch.rand(4, 3, 8, 8), torch.tensor([2, 0, 1, 0]))
        >>> dataset_labels(Subset(dataset, [3, 0]))
        tensor([0, 2])
        >>> dataset_labels([{"image": "a.png", "grade": 1}, {"image": "b.png", "grade": 0}], key="grade")
        tensor([1, 0])
    """
    if isinstance(dataset, Subset):
        return dataset_labels(dataset.dataset, key)[torch.as_tensor(dataset.indices, dtype=torch.int64)]
    if isinstance(dataset, ConcatDataset):
        return torch.cat([dataset_labels(part, key) for part in dataset.datasets])
    labels = as_labels(_told(dataset, key), "labels of the data set")
    if len(labels) != len(dataset):
        raise ValueError(f"labels of the data set: expected one for each of its images, got {len(labels)}")
    return labels.long()


def _told(dataset: Any, key: str | None) -> Any:
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) > 1:
        return dataset.tensors[1]
    if hasattr(dataset, "column_names") and hasattr(dataset, "with_format"):  # of datasets; the format may load images
        return dataset.with_format(None)[_key(dataset.column_names, key)]
    rows = dataset if isinstance(dataset, list | tuple) else getattr(dataset, "data", None)
    if isinstance(rows, list | tuple) and rows and isinstance(rows[0], Mapping):
        name = _key(rows[0], key)
        return [row[name] for row in rows]
    for told in (
        getattr(dataset, "targets", None),
        getattr(dataset, "labels", None),
        _of_timm(getattr(dataset, "reader", None)),
    ):
        if told is not None:
            transform = getattr(dataset, "target_transform", None)
            return told if transform is None else [transform(label) for label in told]
    raise TypeError(
        "dataset: expected one with targets or labels, a TensorDataset of images and labels, one of timm, datasets or "
        "MONAI, rows that are dictionaries, or a Subset or ConcatDataset of such, "
        f"got {type(dataset).__name__}"
    )


def _of_timm(reader: Any) -> list[Any] | None:
    samples = getattr(reader, "samples", None)
    return None if samples is None else [label for _, label in samples]


def _key(names: Iterable[str], key: str | None) -> str:
    there = list(names)
    found = [name for name in (_KEYS if key is None else (key,)) if name in there]
    if not found:
        raise ValueError(f"key: expected {key or 'one of ' + ', '.join(_KEYS)} among {there}")
    return found[0]
