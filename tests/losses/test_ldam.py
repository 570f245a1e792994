"""LDAM's margins, and the layer that gives it cosines."""

import pytest
import torch
import torch.nn.functional as F

from longtail_mix import CosineClassifier, LDAMLoss
from longtail_mix.functional import ldam_loss

COUNTS = [500, 60, 8]


def test_equals_cross_entropy_with_the_margin_taken_off():
    logits = torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.arange(50) % 3
    margins = 0.5 * (8 / torch.tensor(COUNTS, dtype=torch.float64)) ** 0.25
    assert margins.max() == 0.5
    expected = F.cross_entropy(30 * (logits - F.one_hot(labels, 3) * margins[labels, None]), labels)
    torch.testing.assert_close(ldam_loss(logits, labels, COUNTS), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(LDAMLoss(torch.tensor(COUNTS))(logits, labels), expected, rtol=1e-12, atol=1e-12)


def test_a_sure_network_still_pays_for_its_margin():
    # e^{-30 * 0.5} is far below float32's 1 - p: the margin must not be lost in it.
    logits = torch.tensor([[1.0, -1.0, -1.0]], requires_grad=True)
    loss = ldam_loss(logits, torch.tensor([0]), [8, 8, 8], max_margin=1.5)
    exact = F.cross_entropy(30 * torch.tensor([[-0.5, -1.0, -1.0]], dtype=torch.float64), torch.tensor([0]))
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
    loss.backward()
    assert logits.grad[0, 0] < 0


@pytest.mark.parametrize("counts", [[5, 0, 3], [5, -1, 3], [0, 0, 0], [], {"a": 3}])
def test_a_class_without_images_is_an_error_at_construction(counts):
    with pytest.raises((TypeError, ValueError), match="class_counts: expected"):
        LDAMLoss(counts)
    with pytest.raises((TypeError, ValueError), match="class_counts: expected"):
        ldam_loss(torch.zeros(2, 3), torch.tensor([0, 1]), counts)


def test_bad_options():
    with pytest.raises(ValueError, match="max_margin: expected a finite number of at least 0, got -1"):
        LDAMLoss(COUNTS, max_margin=-1)
    with pytest.raises(ValueError, match="scale: expected a finite number of more than 0, got 0"):
        LDAMLoss(COUNTS, scale=0)
    with pytest.raises(ValueError, match=r"class_counts: expected one for each of 4 classes, got shape \[3\]"):
        LDAMLoss(COUNTS)(torch.zeros(2, 4), torch.tensor([0, 1]))


def test_cosines(device):
    layer = CosineClassifier(5, 3).to(device)
    features = torch.randn(2, 4, 5, device=device)
    got = layer(features)
    expected = F.cosine_similarity(features.unsqueeze(2), layer.weight, dim=-1)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(layer(7 * features), got)
    torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(3, device=device))
    assert repr(layer) == "CosineClassifier(in_features=5, num_classes=3)"
    with pytest.raises(ValueError, match=r"features: expected \[..., 5\], got shape \[2, 4\]"):
        layer(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="num_classes: expected at least 1, got 0"):
        CosineClassifier(5, 0)
