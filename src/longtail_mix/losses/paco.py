"""Parametric contrastive learning (PaCo): every class has a centre among the contrasts, images or not."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_counts_of_all,
    check_floating,
    check_not_negative,
    check_same_device,
)
from longtail_mix._module import Module
from longtail_mix._precision import without_autocast
from longtail_mix.losses._contrast import (
    check_temperature,
    compare,
    log_sum,
    mean_over_anchors,
    mean_similarity,
)
from longtail_mix.losses._expected import counts_beside, wide
from longtail_mix.targets import Target, soft_labels

__all__ = ["PaCoLoss", "paco_loss"]


def paco_loss(
    queries: Tensor,
    logits: Tensor,
    target: Target,
    keys: Tensor | None = None,
    key_labels: Target | None = None,
    queue: Tensor | None = None,
    queue_labels: Tensor | None = None,
    class_counts: Sequence[int] | Tensor | None = None,
    alpha: float = 0.05,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 0.2,
) -> Tensor:
    """Supervised contrast and classification in one softmax, over contrasts and class centres: Cui et al. 2021.

    With the anchors i, contrasts A(i) and positives P(i) of :func:`supervised_contrastive_loss`, the centre of class c
    is one more contrast for every anchor, and that of the anchor's class y one more positive::

        D_i    = sum_c exp(s_ic) + gamma sum_{a in A(i)} exp(z_i z_a / T)
        loss_i = -(beta log(exp(s_iy) / D_i) + alpha sum_{p in P(i)} log(exp(z_i z_p / T) / D_i))
                 / (beta + alpha |P(i)|)
        s_ic   = logits_ic + log prior_c

    `logits` are what a classifier, whose rows are the centres, makes of the anchors. They are not divided by the
    temperature. With `class_counts` the log priors are added to them, as in
    :class:`~longtail_mix.LogitAdjustmentLoss`; without, ``s = logits``. Features z are brought to length 1 here.

    The equation is that of the authors' code, which has beta, gamma and the division by the sum of the weights. The
    paper's, as we read it, is ``beta = gamma = 1`` and the plain sum over the positives: its loss of an anchor is
    ``1 + alpha |P(i)|`` times this one, so it grows with the queue and with how frequent the class is. gamma does not
    stand before the positives' own exp, as in the code. Where an anchor has no contrasts, this is cross entropy.

    Soft labels: alpha and beta are multiplied by ``q_i . q_p`` and ``q_ic``. Soft labels, the mean, and what happens
    under ``torch.distributed`` are as in :func:`supervised_contrastive_loss`; the logits are of this rank's anchors.

    Args:
        queries: the anchors' features, [B, D].
        logits: the anchors' logits, [B, K], K of at least 2.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        keys: more contrasts, [M, D].
        key_labels: their labels, of any kind as well. Default: those of the queries, one for each.
        queue: still more contrasts, [Q, D]; Q may be 0.
        queue_labels: their labels [Q]; a place with -1 is empty and takes no part.
        class_counts: training images of each class [K], none zero; None adds no log prior.
        alpha: the weight of each positive, 0 or more.
        beta: the weight of the anchor's centre, 0 or more; alpha and beta are not both 0.
        gamma: how much the contrasts count beside the centres in D, 0 or more.
        temperature: T of the contrasts, above 0.

    Returns:
        The loss, a scalar, in float32 at least, also inside autocast.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices, labels or options that do not fit.

    Example:
        >>> queries, logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
        >>> paco_loss(queries, logits, torch.tensor([0, 0]), alpha=0.5, temperature=1.0)
        tensor(0.9795)
    """
    check_weights(alpha, beta, gamma)
    check_floating(queries, "queries")
    with without_autocast(queries):
        compared = compare(queries, target, keys, key_labels, queue, queue_labels, temperature)
        similarity, taken = compared.similarity, compared.taken
        centres = wide(logits).to(similarity.dtype)
        check_same_device(queries, centres, "queries", "logits")
        if len(centres) != len(similarity):
            raise ValueError(f"logits: expected one row for each of {len(similarity)} queries, got {len(centres)}")
        if class_counts is not None:
            counts = counts_beside(centres, class_counts)
            centres = centres + (counts / counts.sum()).log()
        shares = soft_labels(target, centres.shape[1]).detach().to(centres.dtype)
        weights = torch.cat([beta * shares, alpha * compared.positive], 1)
        own, any_positive = mean_similarity(torch.cat([centres, similarity], 1), weights)
        scores = torch.cat([centres, similarity + (log(gamma) if gamma else 0.0)], 1)
        taken = torch.cat([torch.ones_like(centres, dtype=torch.bool), taken & (gamma > 0)], 1)
        return mean_over_anchors(log_sum(scores, taken) - own, any_positive)


def check_weights(alpha: float, beta: float, gamma: float) -> None:
    """Raise unless the weights are finite and at least 0, and an anchor has a positive."""
    for weight, name in ((alpha, "alpha"), (beta, "beta"), (gamma, "gamma")):
        check_not_negative(weight, name)
    if alpha == beta == 0:
        raise ValueError("alpha, beta: expected one of them above 0, got 0 and 0")


class PaCoLoss(Module):
    """Parametric contrastive learning as a module: see :func:`paco_loss`.

    The centres are the rows of your classifier, so this module has no weights: ``logits = classifier(features)``.

    Args:
        class_counts: training images of each class, none zero; None adds no log prior.
        alpha: the weight of each positive.
        beta: the weight of the anchor's centre.
        gamma: how much the contrasts count beside the centres.
        temperature: T of the contrasts, above 0.

    Shape:
        queries [B, D], logits [B, K], labels [B] or shares [B, K] or a MixedTarget, and as many more contrasts as
        there are: keys [M, D] with labels [M], queue [Q, D] with labels [Q] -> a scalar.

    Example:
        >>> queries, logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
        >>> PaCoLoss(alpha=0.5, temperature=1.0)(queries, logits, torch.tensor([0, 0]))
        tensor(0.9795)
    """

    class_counts: Tensor | None

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor | None = None,
        alpha: float = 0.05,
        beta: float = 1.0,
        gamma: float = 1.0,
        temperature: float = 0.2,
    ) -> None:
        super().__init__()
        check_weights(alpha, beta, gamma)
        check_temperature(temperature)
        counts = None if class_counts is None else torch.tensor(check_counts_of_all(class_counts))
        self.register_buffer("class_counts", counts, persistent=False)
        self.alpha, self.beta, self.gamma, self.temperature = alpha, beta, gamma, temperature

    def forward(
        self,
        queries: Tensor,
        logits: Tensor,
        target: Target,
        keys: Tensor | None = None,
        key_labels: Target | None = None,
        queue: Tensor | None = None,
        queue_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of queries [B, D] with logits [B, K] under their labels."""
        return paco_loss(
            queries,
            logits,
            target,
            keys,
            key_labels,
            queue,
            queue_labels,
            class_counts=self.class_counts,
            alpha=self.alpha,
            beta=self.beta,
            gamma=self.gamma,
            temperature=self.temperature,
        )

    def extra_repr(self) -> str:
        """Show the options."""
        classes = "" if self.class_counts is None else f"num_classes={len(self.class_counts)}, "
        return f"{classes}alpha={self.alpha}, beta={self.beta}, gamma={self.gamma}, temperature={self.temperature}"
