"""CARE's losses against a literal implementation: the image-sized map, loops over pixels, float64."""

import math
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from longtail_mix import CAREAttentionLoss, CARELoss, DistanceWeightedOutside
from longtail_mix.functional import (
    care_attention_loss,
    care_loss,
    class_activation_map,
    distance_weighted_outside,
    grad_cam,
)


def interpolated(cam: torch.Tensor, height: int, width: int) -> list[list[torch.Tensor]]:
    """A map [h, w] at each pixel of an image, bilinear between the cells' centres, cells repeated at the border."""

    def neighbours(at: int, small: int, large: int) -> tuple[int, int, float]:
        place = max((at + 0.5) * small / large - 0.5, 0.0)
        first = min(int(place), small - 1)
        return first, min(first + 1, small - 1), place - first

    h, w = cam.shape
    rows = []
    for y in range(height):
        top, bottom, down = neighbours(y, h, height)
        row = []
        for x in range(width):
            left, right, across = neighbours(x, w, width)
            upper = (1 - across) * cam[top, left] + across * cam[top, right]
            lower = (1 - across) * cam[bottom, left] + across * cam[bottom, right]
            row.append((1 - down) * upper + down * lower)
        rows.append(row)
    return rows


def by_hand(cam, mask, has_mask, tau, lam, outside=None) -> torch.Tensor:
    """Eqs. 5 to 7, pixel by pixel."""
    losses = []
    for b in range(len(cam)):
        if not has_mask[b] or mask[b].sum() == 0:
            continue
        height, width = mask.shape[2:]
        full = interpolated(cam[b, 0], height, width)
        sums = {"in": 0.0, "out": 0.0}
        areas = {"in": 0.0, "out": 0.0}
        for y in range(height):
            for x in range(width):
                m = float(mask[b, 0, y, x])
                weights = {"in": m, "out": 1 - m if outside is None else float(outside[b, 0, y, x])}
                for side, weight in weights.items():
                    sums[side] = sums[side] + weight * full[y][x]
                    areas[side] += weight
        inner = sums["in"] / areas["in"]
        outer = sums["out"] / areas["out"] if areas["out"] else 0.0
        losses.append(-min(inner, torch.tensor(tau, dtype=cam.dtype)) + lam * outer)
    return sum(losses) / len(losses) if losses else 0 * cam.sum()


def boxes(batch: int, height: int, width: int) -> torch.Tensor:
    mask = torch.zeros(batch, 1, height, width, dtype=torch.bool)
    for b in range(batch):
        mask[b, 0, height // 4 : height // 4 + 2 + b, width // 3 : width // 3 + 3] = True
    return mask


@pytest.mark.parametrize(
    ("grid", "size"), [((3, 4), (10, 13)), ((7, 7), (14, 14)), ((1, 1), (5, 6)), ((9, 8), (6, 5)), ((4, 4), (4, 4))]
)
@pytest.mark.parametrize(("tau", "lam"), [(0.7, 1.0), (0.2, 0.0), (1.0, 1.3)])
def test_equals_the_literal_computation_in_value_and_gradient(grid, size, tau, lam):
    torch.manual_seed(0)
    mask, has_mask = boxes(3, *size), torch.tensor([True, False, True])
    for given_mask in (mask, mask * torch.rand(3, 1, *size, dtype=torch.float64)):
        grads = []
        for loss in (care_attention_loss, by_hand):
            torch.manual_seed(1)
            cam = torch.rand(3, 1, *grid, dtype=torch.float64, requires_grad=True)
            value = loss(cam, given_mask, has_mask, tau, lam)
            value.backward()
            grads.append((value, cam.grad))
        torch.testing.assert_close(grads[0], grads[1], atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["test_resnet", "vgg"])
def test_with_grad_cam_on_a_networks_head_every_gradient_equals_the_literal_one(name):
    """L_a of Eq. 5 on F of Eq. 3 for whole networks, down to the first weight."""
    torch.manual_seed(0)
    if name == "vgg":
        convolutions = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Tanh(), nn.Conv2d(4, 5, 3, 2), nn.Tanh())
        head = nn.Sequential(nn.Flatten(), nn.Linear(45, 6), nn.Tanh(), nn.Linear(6, 3))
        network = nn.ModuleList([convolutions, head]).double()
    else:
        resnet = timm.create_model(name, num_classes=3).eval()
        convolutions, head = resnet.forward_features, resnet.forward_head
        network = resnet.double()
    images = torch.rand(3, 3, 15 if name == "vgg" else 96, 15 if name == "vgg" else 96, dtype=torch.float64)
    mask, labels = boxes(3, 15, 15), torch.tensor([0, 2, 1])
    grads = []
    for literal in (False, True):
        network.zero_grad()
        features = convolutions(images)
        logits = head(features)
        if literal:
            maps = []
            for b in range(3):
                (gradient,) = torch.autograd.grad(logits[b, labels[b]], features, create_graph=True)
                raw = sum(gradient[b, k].mean() * features[b, k] for k in range(features.shape[1]))
                maps.append((raw - raw.min()) / (raw.max() - raw.min()))
            value = by_hand(torch.stack(maps).unsqueeze(1), mask, [True] * 3, 0.7, 1.0)
        else:
            value = CAREAttentionLoss()(grad_cam(features, logits, labels, create_graph=True), mask)
        value.backward()
        grads.append((value, {n: p.grad for n, p in network.named_parameters() if p.grad is not None}))
    assert len(grads[0][1]) >= 5
    torch.testing.assert_close(grads[0], grads[1], atol=1e-9, rtol=1e-6)


def test_equals_224_x_224_in_float32(device):
    torch.manual_seed(0)
    cam = torch.rand(4, 1, 7, 7, device=device)
    mask = boxes(4, 224, 224).to(device)
    full = F.interpolate(cam, (224, 224), mode="bilinear", align_corners=False)
    inner = (full * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))
    outer = (full * ~mask).sum((1, 2, 3)) / (~mask).sum((1, 2, 3))
    expected = (outer - inner.clamp(max=0.7)).mean()
    torch.testing.assert_close(CAREAttentionLoss()(cam, mask), expected, atol=1e-5, rtol=0)


def test_gradcheck_first_and_second_order():
    torch.manual_seed(0)
    features = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    mask, labels = boxes(2, 8, 8), torch.tensor([3, 1])

    def loss(features, weight):
        cam = class_activation_map(features, weight, labels)
        return care_loss(F.cross_entropy(features.mean((2, 3)) @ weight.T, labels), care_attention_loss(cam, mask))

    assert gradcheck(loss, (features, weight))
    assert gradgradcheck(loss, (features, weight))


def test_no_image_with_a_mask_is_zero_with_a_graph(device):
    cam = torch.rand(2, 1, 3, 3, device=device, requires_grad=True)
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool, device=device)
    for masks, has_mask in ((mask, torch.zeros(2, dtype=torch.bool, device=device)), (~mask, None)):
        cam.grad = None
        loss = CAREAttentionLoss()(cam, masks, has_mask)
        loss.backward()
        assert loss == 0
        assert (cam.grad == 0).all()
    empty = CAREAttentionLoss()(cam[:0], mask[:0])
    assert empty == 0
    empty.backward()


def test_empty_and_full_masks_beside_others(device):
    cam = torch.rand(3, 1, 4, 4, device=device)
    mask = boxes(3, 8, 8).to(device)
    mask[1] = False
    mask[2] = True
    alone = [care_attention_loss(cam[i : i + 1], mask[i : i + 1]) for i in (0, 2)]
    torch.testing.assert_close(care_attention_loss(cam, mask), sum(alone) / 2)
    torch.testing.assert_close(alone[1], -cam[2].mean().clamp(max=0.7))
    assert care_attention_loss(torch.zeros(3, 1, 4, 4, device=device), mask) == 0


def test_enough_attention_inside_is_enough(device):
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool, device=device)
    mask[..., :4] = True
    cam = torch.full((1, 1, 2, 2), 0.75, device=device, requires_grad=True)
    care_attention_loss(cam, mask, tau=0.7, lam=0.0).backward()
    assert (cam.grad == 0).all()
    care_attention_loss(cam, mask, tau=0.8, lam=0.0).backward()
    assert cam.grad.sum() == pytest.approx(-1)


@given(
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    batch=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    soft=st.booleans(),
)
def test_invariants(grid, size, batch, seed, soft):
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(batch, 1, *grid, generator=generator)
    mask = torch.rand(batch, 1, *size, generator=generator)
    mask = mask if soft else mask > 0.5
    before = cam.clone(), mask.clone()
    loss = care_attention_loss(cam, mask)
    assert -0.7 - 1e-6 <= loss <= 1 + 1e-6
    # A flat map has its value inside and outside, whatever the mask; images are averaged; a flip changes nothing.
    flat = care_attention_loss(torch.full_like(cam, 0.5), mask)
    whole = (mask == 1).flatten(1).all(1)
    empty = (mask == 0).flatten(1).all(1)
    expected = sum(0.0 if e else (-0.5 if w else 0.0) for e, w in zip(empty, whole, strict=True))
    assert float(flat) == pytest.approx(expected / max(1, int((~empty).sum())), abs=1e-5)
    torch.testing.assert_close(care_attention_loss(cam.flip(0, 3), mask.flip(0, 3)), loss, atol=1e-5, rtol=0)
    assert torch.equal(cam, before[0])
    assert torch.equal(mask, before[1])


@pytest.mark.parametrize("outside", [None, DistanceWeightedOutside(2.0)])
def test_compiles_as_one_graph_with_gradients(outside, device):
    module = CAREAttentionLoss(outside=outside)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    mask, has_mask = boxes(3, 12, 12).to(device), torch.tensor([True, True, False], device=device)
    results = []
    for run in (module, compiled):
        torch.manual_seed(0)
        cam = torch.rand(3, 1, 3, 3, device=device, requires_grad=True)
        loss = run(cam, mask, has_mask)
        loss.backward()
        results.append((loss, cam.grad))
    torch.testing.assert_close(results[0], results[1])


def test_autocast_changes_nothing(device):
    cam, mask = torch.rand(2, 1, 7, 7, device=device), boxes(2, 32, 32).to(device)
    expected = care_attention_loss(cam, mask)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(care_attention_loss(cam, mask), expected)
        half = care_attention_loss(cam.bfloat16(), mask)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, atol=0.02, rtol=0)


def test_distance_weights_equal_a_loop_over_pixels(device):
    torch.manual_seed(0)
    mask = torch.rand(4, 1, 7, 10, dtype=torch.float64, device=device) > 0.9
    mask[3] = False
    weights = DistanceWeightedOutside(strength=3.0)(mask)
    assert weights.dtype == torch.float32
    for b in range(4):
        inside = mask[b, 0].nonzero().tolist()
        for y in range(7):
            for x in range(10):
                distance = min((abs(y - i) + abs(x - j) for i, j in inside), default=17)
                expected = 0.0 if mask[b, 0, y, x] else 1 + 3.0 * distance / 10
                assert weights[b, 0, y, x].item() == pytest.approx(expected, rel=1e-6)
    assert torch.equal(distance_weighted_outside(mask, 0.0), (~mask).float())
    soft = 0.8 * mask.float() + 0.1  # 0.5 and more is inside
    torch.testing.assert_close(distance_weighted_outside(soft, 3.0)[~mask], 0.9 * weights[~mask])
    torch.testing.assert_close(distance_weighted_outside(soft, 3.0)[mask], torch.full_like(weights[mask], 0.1))


def test_distance_weights_enter_the_loss():
    torch.manual_seed(0)
    mask, has_mask = boxes(2, 9, 9), [True, True]
    cam = torch.rand(2, 1, 3, 3, dtype=torch.float64)
    for soft in (mask, 0.9 * mask.double() + 0.05):
        expected = by_hand(cam, soft, has_mask, 0.7, 1.0, distance_weighted_outside(soft, 2.0))
        got = CAREAttentionLoss(outside=DistanceWeightedOutside(2.0))(cam, soft)
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
    near, far = torch.zeros(2, 1, 1, 9, 9).unbind(0)
    near[..., 4, 6] = far[..., 8, 8] = 1.0
    one = mask[:1]
    weighted = CAREAttentionLoss(outside=DistanceWeightedOutside())
    assert weighted(far, one) > weighted(near, one)
    assert CAREAttentionLoss()(far, one) == pytest.approx(CAREAttentionLoss()(near, one))


def test_the_objective_takes_any_criterion(device):
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 4, device=device), torch.tensor([0, 1, 3], device=device)
    cam, mask = torch.rand(3, 1, 5, 5, device=device), boxes(3, 20, 20).to(device)
    has_mask = torch.tensor([True, False, True], device=device)
    attention = care_attention_loss(cam, mask, has_mask)

    def focal(logits, labels):
        losses = F.cross_entropy(logits, labels, reduction="none")
        return ((1 - (-losses).exp()) ** 2 * losses).mean()

    costs = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 4.0])).to(device)
    for criterion in (None, costs, focal):
        expected = 0.7 * (criterion or F.cross_entropy)(logits, labels) + 0.3 * attention
        module = CARELoss(criterion, alpha=0.3).to(device)
        torch.testing.assert_close(module(logits, labels, cam, mask, has_mask), expected)
    weighted = CARELoss(attention=CAREAttentionLoss(tau=0.2, lam=0.5), alpha=1.0)
    expected = care_attention_loss(cam, mask, None, 0.2, 0.5)
    torch.testing.assert_close(weighted(logits, labels, cam, mask), expected)
    assert CARELoss(alpha=0.0)(logits, labels, cam, mask) == F.cross_entropy(logits, labels)
    assert "tau=0.2, lam=0.5" in repr(weighted)
    assert "alpha=1.0" in repr(weighted)
    assert repr(DistanceWeightedOutside(2.0)) == "DistanceWeightedOutside(strength=2.0)"


C, M = torch.rand(2, 1, 3, 3), torch.ones(2, 1, 6, 6)
H = torch.tensor([True, False])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (partial(care_attention_loss, C.int(), M), TypeError, "cam: expected a floating-point tensor"),
        (partial(care_attention_loss, C[0], M), ValueError, r"cam: expected maps \[B, 1, H, W\], got shape"),
        (partial(care_attention_loss, C[..., :0], M), ValueError, "cam: expected at least one pixel"),
        (partial(care_attention_loss, C + 1, M), ValueError, "cam: expected values from 0 to 1.0, got"),
        (partial(care_attention_loss, C * math.nan, M), ValueError, "cam: expected finite values"),
        (partial(care_attention_loss, C, M.int()), TypeError, "mask: expected bool or floating point, got torch.int32"),
        (partial(care_attention_loss, C, "mask"), TypeError, "mask: expected a torch.Tensor, got str"),
        (
            partial(care_attention_loss, C, M[:1]),
            ValueError,
            r"mask: expected \[2, 1, H, W\], got shape \[1, 1, 6, 6\]",
        ),
        (partial(care_attention_loss, C, M[:, 0]), ValueError, r"mask: expected \[2, 1, H, W\], got shape \[2, 6, 6\]"),
        (partial(care_attention_loss, C, M[..., :0]), ValueError, r"mask: expected \[2, 1, H, W\], got shape"),
        (partial(care_attention_loss, C, 255 * M), ValueError, "mask: expected values from 0 to 1.0, got 255 to 255"),
        (partial(care_attention_loss, C, M * math.nan), ValueError, "mask: expected values from 0 to 1.0, got nan"),
        (partial(care_attention_loss, C, M.to("meta")), ValueError, "mask: expected device cpu like cam, got meta"),
        (partial(care_attention_loss, C, M, H.int()), TypeError, "has_mask: expected a bool tensor, got torch.int32"),
        (partial(care_attention_loss, C, M, H[:1]), ValueError, r"has_mask: expected shape \[2\] like cam, got \[1\]"),
        (partial(care_attention_loss, C, M, H.to("meta")), ValueError, "has_mask: expected device cpu like cam"),
        (partial(care_attention_loss, C, M, [True]), TypeError, "has_mask: expected a torch.Tensor, got list"),
        (partial(care_attention_loss, C, M, outside=M[..., :3]), ValueError, "outside: expected shape"),
        (partial(care_attention_loss, C, M, outside=-M), ValueError, "outside: expected values from 0 to inf, got -1"),
        (partial(care_attention_loss, C, M, outside=M / 0), ValueError, "outside: expected values from 0 to inf, got"),
        (partial(care_attention_loss, C, M, tau=0.0), ValueError, "tau: expected 0 < tau <= 1, got 0.0"),
        (partial(CAREAttentionLoss, tau=1.1), ValueError, "tau: expected 0 < tau <= 1, got 1.1"),
        (partial(CAREAttentionLoss, tau="0.7"), TypeError, "tau: expected a number, got '0.7'"),
        (partial(CAREAttentionLoss, lam=-1.0), ValueError, "lam: expected a finite number of at least 0, got -1.0"),
        (partial(CAREAttentionLoss, lam=math.inf), ValueError, "lam: expected a finite number of at least 0, got inf"),
        (partial(CARELoss, alpha=1.5), ValueError, "alpha: expected a number from 0 to 1, got 1.5"),
        (partial(care_loss, C.mean(), C, 0.5), ValueError, "attention: expected a scalar, got shape"),
        (partial(care_loss, 1.0, C.mean(), 0.5), TypeError, "classification: expected a torch.Tensor, got float"),
        (partial(distance_weighted_outside, M[0]), ValueError, r"mask: expected \[B, 1, H, W\], got shape \[1, 6, 6\]"),
        (partial(distance_weighted_outside, M, -1.0), ValueError, "strength: expected a finite number of at least 0"),
        (partial(distance_weighted_outside, M, None), TypeError, "strength: expected a number, got None"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
