"""The labels of a data set without loading an image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from longtail_mix._checks import check_labels

__all__ = ["dataset_labels"]


def dataset_labels(dataset: Dataset[Any]) -> Tensor:
    """Label of each image of a data set, int64 [N], in its order.

    Reads ``targets`` or ``labels``, as the data sets of torchvision have them, with their ``target_transform``, if any;
    the second tensor of a ``TensorDataset``; and looks through ``Subset`` (so also ``random_split``) and
    ``ConcatDataset``, however nested. It loads no images; where a data set tells its labels in no such way, collect
    them once yourself.

    Raises:
        TypeError: a data set that does not tell, labels that are not whole numbers.
        ValueError: not one label for each image, or a negative one.

    Example:
        >>> from torch.utils.data import Subset, TensorDataset
        >>> dataset = TensorDataset(torch.rand(4, 3, 8, 8), torch.tensor([2, 0, 1, 0]))
        >>> dataset_labels(Subset(dataset, [3, 0]))
        tensor([0, 2])
    """
    if isinstance(dataset, Subset):
        return dataset_labels(dataset.dataset)[torch.as_tensor(dataset.indices, dtype=torch.int64)]
    if isinstance(dataset, ConcatDataset):
        return torch.cat([dataset_labels(part) for part in dataset.datasets])
    labels = _told(dataset)
    check_labels(labels, name="labels of the data set")
    if len(labels) != len(dataset):  # type: ignore[arg-type]  # a Dataset need not have a length; those here have
        raise ValueError(f"labels of the data set: expected one for each of its images, got {len(labels)}")
    return labels.long()


def _told(dataset: Dataset[Any]) -> Tensor:
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) > 1:
        return dataset.tensors[1]
    for name in ("targets", "labels"):
        told = getattr(dataset, name, None)
        if told is not None:
            transform = getattr(dataset, "target_transform", None)
            labels = told if transform is None else [transform(label) for label in told]
            try:
                return torch.as_tensor(labels)
            except (TypeError, ValueError) as error:  # names, one-hot rows
                raise TypeError(f"labels of the data set: expected whole numbers, got {labels[0]!r}") from error
    raise TypeError(
        "dataset: expected one with targets or labels, a TensorDataset of images and labels, or a Subset or "
        f"ConcatDataset of such, got {type(dataset).__name__}"
    )
