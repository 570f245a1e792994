"""Supervised contrastive learning: images of a class are drawn together and pushed away from all the others."""

from __future__ import annotations

from torch import Tensor

from longtail_mix._checks import check_floating
from longtail_mix._module import Module
from longtail_mix._precision import without_autocast
from longtail_mix.losses._contrast import check_temperature, compare, log_sum, mean_over_anchors, mean_similarity
from longtail_mix.targets import Target

__all__ = ["SupervisedContrastiveLoss", "supervised_contrastive_loss"]


def supervised_contrastive_loss(
    queries: Tensor,
    target: Target,
    keys: Tensor | None = None,
    key_labels: Target | None = None,
    queue: Tensor | None = None,
    queue_labels: Tensor | None = None,
    temperature: float = 0.2,
) -> Tensor:
    """How hard it is to tell an anchor's own class among all contrasts: Khosla et al. 2020, L_out, Eq. 2.

    Each query is an anchor i. Its contrasts A(i) are the other queries, the keys and the queue; its positives P(i) are
    those of its class::

        loss_i = -1 / |P(i)| sum_{p in P(i)} log(exp(z_i z_p / T) / sum_{a in A(i)} exp(z_i z_a / T))

    z are the features at length 1 (they are normalised here). The same in plain PyTorch, for hard labels and queries
    alone::

        z = F.normalize(queries, dim=1)
        similarity = (z @ z.T / temperature).fill_diagonal_(-1e9)
        positive = (labels[:, None] == labels).double().fill_diagonal_(0)
        log_p = similarity.log_softmax(1)
        (-(positive * log_p).sum(1) / positive.sum(1)).mean()

    **Soft labels.** A pair is positive by ``w_ip = q_i . q_p``, the inner product of the two class distributions, that
    is, how likely one draw from each is the same class; ``1 / |P(i)| sum_p`` becomes ``1 / sum_p w_ip sum_p w_ip``.
    Hard labels give 0 and 1. The paper has hard labels only. No gradient goes to the labels.

    **The mean** is over the anchors that have a positive; without any the loss is zero, with a graph.

    **Distributed.** Queries and keys of all ranks are gathered, with their labels and exact gradients; all ranks need
    batches of one size. The queue is not gathered: it is the same on all ranks. The mean of the ranks' losses, and so
    the gradient that ``DistributedDataParallel`` averages, is that of one process with the whole batch.

    Args:
        queries: the anchors' features, [B, D].
        target: their labels: integers [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        keys: more contrasts, [M, D], such as the key network's features of another view.
        key_labels: their labels, of any kind as well. Default: those of the queries, one for each.
        queue: still more contrasts, [Q, D], such as earlier keys; Q may be 0.
        queue_labels: their labels [Q]; a place with -1 is empty and takes no part.
        temperature: T, above 0; small ones look at the nearest contrasts only.

    Returns:
        The loss, a scalar, in float32 at least, also inside autocast.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or labels that do not fit.

    Example:
        >>> import torch
        >>> queries = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> supervised_contrastive_loss(queries, torch.tensor([0, 0, 1]), temperature=1.0)
        tensor(0.3133)
    """
    check_floating(queries, "queries")
    with without_autocast(queries):
        compared = compare(queries, target, keys, key_labels, queue, queue_labels, temperature)
        own, counts = mean_similarity(compared.similarity, compared.positive)
        return mean_over_anchors(log_sum(compared.similarity, compared.taken) - own, counts)


class SupervisedContrastiveLoss(Module):
    """Supervised contrastive learning as a module: see :func:`supervised_contrastive_loss`.

    Args:
        temperature: T, above 0.

    Shape:
        queries [B, D], labels [B] or shares [B, K] or a MixedTarget, and as many more contrasts as there are: keys
        [M, D] with labels [M], queue [Q, D] with labels [Q] -> a scalar.

    Example:
        >>> import torch
        >>> queries = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> SupervisedContrastiveLoss(temperature=1.0)(queries, torch.tensor([0, 0, 1]))
        tensor(0.3133)
    """

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature

    def forward(
        self,
        queries: Tensor,
        target: Target,
        keys: Tensor | None = None,
        key_labels: Target | None = None,
        queue: Tensor | None = None,
        queue_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of queries [B, D] under their labels."""
        return supervised_contrastive_loss(
            queries, target, keys, key_labels, queue, queue_labels, temperature=self.temperature
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return f"temperature={self.temperature}"
