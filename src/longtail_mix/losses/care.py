"""The objective of CARE: a classification loss and the attention loss, weighed against each other."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from longtail_mix._checks import check_callable, check_floating, check_labels, check_number, check_same_device
from longtail_mix._module import Module
from longtail_mix.losses.care_attention import CAREAttentionLoss

__all__ = ["CARELoss", "care_loss"]


def care_loss(classification: Tensor, attention: Tensor, alpha: float = 0.5) -> Tensor:
    """``(1 - alpha) * classification + alpha * attention``: Eq. 4 of the CARE paper.

    Args:
        classification: L_c, a scalar, from any criterion.
        attention: L_a, a scalar: :func:`~longtail_mix.functional.care_attention_loss`.
        alpha: weight of the attention loss, from 0 to 1; the paper takes 0.5.

    Raises:
        TypeError: losses that are not floating-point tensors, an `alpha` that is not a number.
        ValueError: losses that are not scalars, an `alpha` out of range.

    Example:
        >>> import torch
        >>> care_loss(torch.tensor(1.0), torch.tensor(-0.5), alpha=0.5)
        tensor(0.2500)
    """
    check_care_alpha(alpha)
    for loss, name in ((classification, "classification"), (attention, "attention")):
        check_floating(loss, name)
        if loss.ndim:
            raise ValueError(f"{name}: expected a scalar, got shape {list(loss.shape)}")
    return (1 - alpha) * classification + alpha * attention


class CARELoss(Module):
    """The whole objective of CARE, Eq. 4, with any criterion for the classes.

    Args:
        criterion: ``(logits, labels) -> scalar``; None is cross entropy. Cost-sensitive learning is
            ``nn.CrossEntropyLoss(weight=...)``; a focal loss goes in the same way.
        attention: ``(cam, mask, has_mask) -> scalar``; None is ``CAREAttentionLoss()``.
        alpha: weight of the attention loss, from 0 to 1.

    Shape:
        logits [B, K], labels [B], cam [B, 1, h, w], mask [B, 1, H, W], has_mask [B] or None -> scalar.

    Raises:
        TypeError, ValueError: as :func:`~longtail_mix.functional.care_loss` and
            :func:`~longtail_mix.functional.care_attention_loss`.

    Example:
        >>> import torch
        >>> from longtail_mix.functional import grad_cam
        >>> head = nn.Linear(8, 5)
        >>> features = torch.rand(2, 8, 7, 7, requires_grad=True)
        >>> labels, mask = torch.tensor([0, 3]), torch.rand(2, 1, 224, 224) > 0.9
        >>> logits = head(features.mean((2, 3)))
        >>> cam = grad_cam(features, logits, labels, create_graph=True)
        >>> CARELoss(alpha=0.5)(logits, labels, cam, mask).backward()
    """

    def __init__(
        self,
        criterion: Callable[[Tensor, Tensor], Tensor] | None = None,
        attention: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = None,
        alpha: float = 0.5,
    ) -> None:
        super().__init__()
        check_care_alpha(alpha)
        for given, name in ((criterion, "criterion"), (attention, "attention")):
            if given is not None:
                check_callable(given, name, "None or a loss")
        self.criterion = nn.CrossEntropyLoss() if criterion is None else criterion
        self.attention = CAREAttentionLoss() if attention is None else attention
        self.alpha = alpha

    def forward(
        self, logits: Tensor, labels: Tensor, cam: Tensor, mask: Tensor, has_mask: Tensor | None = None
    ) -> Tensor:
        """The objective for logits [B, K] and maps of the true classes [B, 1, h, w]."""
        check_floating(logits, "logits")
        if isinstance(labels, Tensor) and not labels.is_floating_point():
            check_labels(labels, logits.shape[-1] if logits.ndim else 0)
            check_same_device(logits, labels, "logits", "labels")
            labels = labels.long()  # torch's losses take no other
        return care_loss(self.criterion(logits, labels), self.attention(cam, mask, has_mask), self.alpha)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"alpha={self.alpha}"


def check_care_alpha(alpha: float) -> None:
    """Raise unless 0 <= alpha <= 1."""
    check_number(alpha, "alpha")
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha: expected a number from 0 to 1, got {alpha}")
