"""Balanced contrastive learning (BCL): every class is pushed away with the same weight, and none is ever missing."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_floating, check_same_device
from longtail_mix._module import Module
from longtail_mix._precision import without_autocast
from longtail_mix.losses._contrast import (
    check_temperature,
    compare,
    log_sum,
    mean_over_anchors,
    mean_similarity,
    unit,
)
from longtail_mix.losses._contrast_labels import contrast_shares
from longtail_mix.targets import Target, soft_labels

__all__ = ["BalancedContrastiveLoss", "balanced_contrastive_loss"]


def balanced_contrastive_loss(
    queries: Tensor,
    prototypes: Tensor,
    target: Target,
    keys: Tensor | None = None,
    key_labels: Target | None = None,
    queue: Tensor | None = None,
    queue_labels: Tensor | None = None,
    temperature: float = 0.1,
) -> Tensor:
    """Supervised contrast in which each class counts once: Zhu et al. 2022, class averaging and class complement.

    With the anchors i, their class y and the contrasts A(i) of :func:`supervised_contrastive_loss`, let M_ic be the
    contrasts of class c in A(i) and, as one more member, the prototype of c::

        D_i    = sum_c 1 / |M_ic| sum_{m in M_ic} exp(z_i z_m / T)
        loss_i = -1 / |M_iy| sum_{m in M_iy} log(exp(z_i z_m / T) / D_i)

    The average over each class keeps frequent classes from filling the denominator, and with the prototypes every class
    is there in every batch, so every anchor has a positive. Features and prototypes are brought to length 1 here.

    The anchor is not a member of its own class, as in the authors' code. Their anchors are both views of an image:
    pass them as one batch of 2B queries. The other half of the method, cross entropy with adjusted logits, is
    :class:`~longtail_mix.LogitAdjustmentLoss`.

    Soft labels: a contrast k is a member of each class by its share q_kc, so ``|M_ic| = 1 + sum_{k in A(i)} q_kc``, and
    the positives' weights are ``q_i . q_k`` and, for the prototypes, ``q_ic``. Hard labels give the equations above.
    Soft labels, the mean, and what happens under ``torch.distributed`` are as in :func:`supervised_contrastive_loss`;
    the prototypes are the same on all ranks.

    Args:
        queries: the anchors' features, [B, D].
        prototypes: one feature for each class, [K, D]: parameters, or a projection of the classifier's rows.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        keys: more contrasts, [M, D].
        key_labels: their labels, of any kind as well. Default: those of the queries, one for each.
        queue: still more contrasts, [Q, D]; Q may be 0.
        queue_labels: their labels [Q]; a place with -1 is empty and takes no part.
        temperature: T, above 0; 0.1 is the default of the authors' loss, 0.07 that of their training on ImageNet.

    Returns:
        The loss, a scalar, in float32 at least, also inside autocast.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or labels that do not fit.

    Example:
        >>> queries, prototypes = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.eye(2)
        >>> balanced_contrastive_loss(queries, prototypes, torch.tensor([0, 0]), temperature=1.0)
        tensor(0.3133)
    """
    check_floating(queries, "queries")
    with without_autocast(queries):
        compared = compare(queries, target, keys, key_labels, queue, queue_labels, temperature)
        anchors, similarity, taken = compared.anchors, compared.similarity, compared.taken
        centres = unit(prototypes, "prototypes").to(anchors.dtype)
        check_same_device(anchors, centres, "queries", "prototypes")
        if centres.shape[1] != anchors.shape[1]:
            raise ValueError(
                f"prototypes: expected features [K, {anchors.shape[1]}], got shape {list(prototypes.shape)}"
            )
        to_centres = anchors @ centres.t() / temperature
        shares = soft_labels(target, len(centres)).detach().to(anchors.dtype)
        members = contrast_shares(compared.labels, len(centres), anchors.dtype)
        each = 1 / (1 + members.sum(0) - shares)  # 1 / |M_ic|, [B, K]: the anchor is no member
        # An empty place is a member of no class: its log is -inf, and it is not taken.
        scores = torch.cat([to_centres + each.log(), similarity + (each @ members.t()).log()], 1)
        taken = torch.cat([torch.ones_like(to_centres, dtype=torch.bool), taken], 1)
        own, any_positive = mean_similarity(
            torch.cat([to_centres, similarity], 1), torch.cat([shares, compared.positive], 1)
        )
        return mean_over_anchors(log_sum(scores, taken) - own, any_positive)


class BalancedContrastiveLoss(Module):
    """Balanced contrastive learning as a module: see :func:`balanced_contrastive_loss`.

    Args:
        temperature: T, above 0.

    Shape:
        queries [B, D], prototypes [K, D], labels [B] or shares [B, K] or a MixedTarget, and as many more contrasts as
        there are: keys [M, D] with labels [M], queue [Q, D] with labels [Q] -> a scalar.

    Example:
        >>> queries, prototypes = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.eye(2)
        >>> BalancedContrastiveLoss(temperature=1.0)(queries, prototypes, torch.tensor([0, 0]))
        tensor(0.3133)
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature

    def forward(
        self,
        queries: Tensor,
        prototypes: Tensor,
        target: Target,
        keys: Tensor | None = None,
        key_labels: Target | None = None,
        queue: Tensor | None = None,
        queue_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of queries [B, D] and prototypes [K, D] under the queries' labels."""
        return balanced_contrastive_loss(
            queries, prototypes, target, keys, key_labels, queue, queue_labels, temperature=self.temperature
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return f"temperature={self.temperature}"
