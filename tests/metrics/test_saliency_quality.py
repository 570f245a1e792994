"""AUROC and best-threshold IoU against loops over pairs and thresholds, and against torchmetrics."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_auroc

from longtail_mix.metrics import BestThresholdIoU, SaliencyAUROC, best_threshold_iou, saliency_auroc


def auroc_by_hand(values: list[float], inside: list[bool]) -> float:
    """Every pair of a pixel inside and one outside, exactly."""
    lesion = [v for v, m in zip(values, inside, strict=True) if m]
    skin = [v for v, m in zip(values, inside, strict=True) if not m]
    if not lesion or not skin:
        return math.nan
    half_wins = sum(2 * (a > b) + (a == b) for a in lesion for b in skin)
    return float(Fraction(half_wins, 2 * len(lesion) * len(skin)))


def iou_by_hand(values: list[float], inside: list[bool]) -> float:
    """Every value as a threshold, exactly."""
    if not any(inside):
        return math.nan
    best = Fraction(0)
    for threshold in values:
        both = sum(m and v >= threshold for v, m in zip(values, inside, strict=True))
        either = sum(m or v >= threshold for v, m in zip(values, inside, strict=True))
        best = max(best, Fraction(both, either))
    return float(best)


def draw(seed: int, batch: int, height: int, width: int, levels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps with few levels have many ties; about a third of the masks is empty or full."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randint(levels, (batch, 1, height, width), generator=generator) / levels
    share = torch.rand(batch, 1, 1, 1, generator=generator) * 1.5 - 0.25
    return maps, torch.rand(maps.shape, generator=generator) < share


@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(0, 4),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    levels=st.sampled_from([1, 2, 5, 10**6]),
)
def test_equal_loops_exactly(seed, batch, height, width, levels):
    maps, masks = draw(seed, batch, height, width, levels)
    for function, by_hand in ((saliency_auroc, auroc_by_hand), (best_threshold_iou, iou_by_hand)):
        expected = [by_hand(maps[b].flatten().tolist(), masks[b].flatten().tolist()) for b in range(batch)]
        expected = torch.tensor(expected, dtype=torch.float64)
        # One division of whole numbers: the nearest float64, as a Fraction gives it.
        torch.testing.assert_close(function(maps, masks), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("levels", [2, 256, 10**6])
def test_auroc_equals_torchmetrics(levels):
    maps, masks = draw(levels, 6, 40, 50, levels)
    measured = saliency_auroc(maps, masks)
    assert (~measured.isnan()).sum() >= 3
    for value, one_map, mask in zip(measured, maps, masks, strict=True):
        if not value.isnan():
            # theirs is a trapezoid sum over up to 2000 thresholds in float32
            assert value.item() == pytest.approx(binary_auroc(one_map.flatten(), mask.flatten().int()).item(), abs=2e-6)


@given(st.integers(0, 2**31))
def test_only_the_order_matters_and_the_complement_mirrors(seed):
    maps, masks = draw(seed, 3, 7, 5, 8)
    same = {"rtol": 0, "atol": 0, "equal_nan": True}
    torch.testing.assert_close(saliency_auroc(maps.exp() - 7, masks), saliency_auroc(maps, masks), **same)
    torch.testing.assert_close(best_threshold_iou(maps.exp() - 7, masks), best_threshold_iou(maps, masks), **same)
    mirrored = 1 - saliency_auroc(1 - maps, masks)
    torch.testing.assert_close(mirrored, saliency_auroc(maps, masks), rtol=0, atol=1e-15, equal_nan=True)


def test_the_mask_itself_is_perfect_and_a_flat_map_says_nothing(device):
    mask = torch.zeros(1, 1, 10, 10, dtype=torch.bool, device=device)
    mask[..., :3, :5] = True
    assert saliency_auroc(mask.float(), mask).tolist() == [1.0]
    assert best_threshold_iou(mask.float(), mask).tolist() == [1.0]
    flat = torch.full(mask.shape, 0.3, device=device)
    assert saliency_auroc(flat, mask).tolist() == [0.5]
    assert best_threshold_iou(flat, mask).tolist() == [0.15]


def test_large_maps_do_not_overflow():
    maps = torch.rand(1, 1, 1024, 1024, generator=torch.Generator().manual_seed(0))
    mask = maps > 0.5
    assert saliency_auroc(maps, mask).item() == 1.0


@pytest.mark.parametrize("metric_class", [SaliencyAUROC, BestThresholdIoU])
@given(seed=st.integers(0, 2**31), parts=st.integers(1, 4))
def test_metrics_keep_every_image_in_any_batches(metric_class, seed, parts):
    maps, masks = draw(seed, 9, 5, 4, 6)
    metric = metric_class()
    for part in torch.arange(9).chunk(parts):
        metric.update(maps[part], masks[part])
    function = saliency_auroc if metric_class is SaliencyAUROC else best_threshold_iou
    expected = function(maps, masks)
    torch.testing.assert_close(metric.per_image(), expected, rtol=0, atol=0, equal_nan=True)
    defined = sorted(v for v in expected.tolist() if not math.isnan(v))
    measured = metric.compute()
    if not defined:
        assert measured["mean"].isnan()
        assert measured["tenth_percentile"].isnan()
        return
    assert measured["mean"].item() == pytest.approx(math.fsum(defined) / len(defined), abs=1e-15)
    at = 0.1 * (len(defined) - 1)
    low, high = defined[math.floor(at)], defined[math.ceil(at)]
    assert measured["tenth_percentile"].item() == pytest.approx(low + (at - math.floor(at)) * (high - low), abs=1e-15)


@pytest.mark.parametrize("metric_class", [SaliencyAUROC, BestThresholdIoU])
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_without_a_image_there_is_no_value(metric_class):
    metric = metric_class()
    assert metric.compute()["mean"].isnan()
    assert metric.per_image().shape == (0,)
    metric.update(torch.rand(2, 1, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.bool))
    assert metric.per_image().isnan().all()
    assert metric.compute()["tenth_percentile"].isnan()


MAP = torch.rand(1, 1, 4, 4)
MASK = MAP > 0.5


@pytest.mark.parametrize("function", [saliency_auroc, best_threshold_iou])
@pytest.mark.parametrize(
    ("saliency", "mask", "error", "message"),
    [
        ([1], MASK, TypeError, "saliency: expected a torch.Tensor, got list"),
        (MAP.int(), MASK, TypeError, "saliency: expected a floating-point tensor, got torch.int32"),
        (MAP[0], MASK, ValueError, r"saliency: expected maps \[B, 1, H, W\], got shape \[1, 4, 4\]"),
        (MAP * math.nan, MASK, ValueError, "saliency: expected finite values"),
        (MAP[..., :0], MASK, ValueError, "saliency: expected at least one pixel"),
        (MAP, MASK.float(), TypeError, "mask: expected a bool mask, got torch.float32"),
        (MAP, MASK[..., :3], ValueError, r"mask: expected shape \[1, 1, 4, 4\] like saliency, got \[1, 1, 4, 3\]"),
        (MAP, MASK[:0], ValueError, r"mask: expected \[1, 1, H, W\] like saliency, got shape \[0, 1, 4, 4\]"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(function, saliency, mask, error, message):
    with pytest.raises(error, match=message):
        function(saliency, mask)
