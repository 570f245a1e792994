"""Where torch, torchvision, timm or kornia has a loss of ours, the two agree."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import ClassWeights
from longtail_mix.functional import focal_loss, weighted_cross_entropy


def batch(seed: int, rows: int = 16, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    shares = torch.rand(rows, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (rows,), generator=generator), shares / shares.sum(1, keepdim=True)


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_cross_entropy_is_torchs(seed, smoothing):
    logits, labels, shares = batch(seed)
    for target in (labels, shares):
        expected = F.cross_entropy(logits, target, label_smoothing=smoothing)
        torch.testing.assert_close(weighted_cross_entropy(logits, target, label_smoothing=smoothing), expected)
    weights = torch.rand(5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for target in (labels, shares):
        expected = F.cross_entropy(logits, target, weights, reduction="none")
        got = weighted_cross_entropy(logits, target, ClassWeights(weights), reduction="none")
        torch.testing.assert_close(got, expected)


def test_torch_distorts_the_smoothing_and_we_do_not():
    logits, labels, _ = batch(0)
    weights = torch.tensor([1.0, 1, 1, 1, 100], dtype=torch.float64)
    smooth = F.cross_entropy(logits, labels, label_smoothing=0.1, reduction="none")
    got = weighted_cross_entropy(logits, labels, ClassWeights(weights), 0.1, "none")
    torch.testing.assert_close(got, weights[labels] * smooth)
    torchs = F.cross_entropy(logits, labels, weights, label_smoothing=0.1, reduction="none")
    assert (torchs - got).abs().max() > 1


def test_cross_entropy_is_timms():
    loss = pytest.importorskip("timm.loss")
    logits, labels, shares = batch(1)
    torch.testing.assert_close(weighted_cross_entropy(logits, shares), loss.SoftTargetCrossEntropy()(logits, shares))
    expected = loss.LabelSmoothingCrossEntropy(0.2)(logits, labels)
    torch.testing.assert_close(weighted_cross_entropy(logits, labels, label_smoothing=0.2), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_is_kornias_and_for_two_classes_torchvisions(gamma):
    kornia = pytest.importorskip("kornia.losses")
    ops = pytest.importorskip("torchvision.ops")
    logits, labels, _ = batch(2)
    expected = kornia.focal_loss(logits, labels, alpha=None, gamma=gamma, reduction="none").sum(1)
    torch.testing.assert_close(focal_loss(logits, labels, gamma, reduction="none"), expected)
    two, yes = logits[:, :2], labels.clamp(max=1)
    odds = two[:, 1] - two[:, 0]
    expected = ops.sigmoid_focal_loss(odds, yes.to(odds.dtype), alpha=-1, gamma=gamma)
    torch.testing.assert_close(focal_loss(two, yes, gamma, reduction="none"), expected)


def test_focal_with_gamma_zero_is_cross_entropy():
    logits, labels, shares = batch(3)
    for target in (labels, shares):
        torch.testing.assert_close(focal_loss(logits, target, 0.0), F.cross_entropy(logits, target))


@pytest.mark.parametrize("gamma", [-1, float("inf"), float("nan")])
def test_bad_gamma(gamma):
    with pytest.raises(ValueError, match="gamma: expected a finite number of at least 0"):
        focal_loss(torch.zeros(1, 2), torch.tensor([0]), gamma)
