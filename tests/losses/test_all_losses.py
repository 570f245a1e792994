"""What holds for every loss: its literal loop, labels of all kinds, weights, smoothing, extremes, compilation."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import ClassWeights, HardExamples, MixedTarget, Pace, WeightedCrossEntropy

from .conftest import ALL, Case

WEIGHTS = torch.tensor([0.1, 1.0, 2.5, 7.0], dtype=torch.float64)


def some_logits(rows: int = 6, scale: float = 2.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return scale * torch.randn(rows, 4, generator=torch.Generator().manual_seed(rows), dtype=dtype)


def some_shares(rows: int = 6) -> torch.Tensor:
    shares = torch.rand(rows, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shares[0] = torch.tensor([0.0, 0.0, 1.0, 0.0])
    return shares / shares.sum(1, keepdim=True)


LABELS = torch.tensor([0, 3, 1, 2, 0, 3])


def test_each_image_equals_the_loop(case: Case):
    logits = some_logits()
    got = case.function(logits, LABELS, reduction="none")
    expected = [case.loop(z, y) for z, y in zip(logits.tolist(), LABELS.tolist(), strict=True)]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-8)
    module = case.module(reduction="none")
    assert torch.equal(module(logits, LABELS), got)
    assert not list(module.parameters())
    assert not module.state_dict()


def test_soft_labels_smoothing_and_weights_equal_the_loop(case: Case):
    logits, shares, eps = some_logits(), some_shares(), 0.2 if case.smooths else 0.0
    expected = []
    for z, q in zip(logits.tolist(), shares.tolist(), strict=True):
        plain = [case.loop(z, c) for c in range(4)]
        smooth = [(1 - eps) * loss + eps * sum(plain) / 4 for loss in plain]
        expected.append(sum(q[c] * WEIGHTS[c].item() * smooth[c] for c in range(4)))
    options = {"weighting": ClassWeights(WEIGHTS), **case.smoothing(eps)}
    got = case.function(logits, shares, **options, reduction="none")
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-8)
    total = case.function(logits, shares, **options, reduction="sum").item()
    assert total == pytest.approx(sum(expected), abs=1e-8)
    mean = case.module(**options)(logits, shares).item()
    assert mean == pytest.approx(sum(expected) / 6, abs=1e-8)


def test_a_mixed_target_is_its_two_labels_blended(case: Case):
    logits, other = some_logits(), LABELS.flip(0)
    lam = torch.linspace(0, 1, 6, dtype=torch.float64)
    criterion = case.module(weighting=ClassWeights(WEIGHTS), reduction="none", **case.smoothing(0.1))
    mixed = MixedTarget(LABELS, other, lam)
    expected = lam * criterion(logits, LABELS) + (1 - lam) * criterion(logits, other)
    torch.testing.assert_close(criterion(logits, mixed), expected)
    torch.testing.assert_close(criterion(logits, mixed), mixed.losses(criterion, logits))
    torch.testing.assert_close(criterion(logits, mixed), criterion(logits, mixed.soft(4)))


def test_gradients(every_case: Case):
    logits = some_logits().requires_grad_()
    shares = some_shares()
    for target in (LABELS, shares):
        torch.autograd.gradcheck(
            lambda z, t=target: every_case.function(z, t, weighting=ClassWeights(WEIGHTS), **every_case.smoothing(0.1)),
            logits,
        )
    torch.autograd.gradgradcheck(lambda z: every_case.function(z, LABELS), logits)
    inside = shares[1:].requires_grad_()  # no share of 0, from which a small step would lead below 0
    torch.autograd.gradcheck(lambda q: every_case.function(some_logits(5), q, reduction="none"), inside)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_extreme_logits_give_finite_values_and_gradients(every_case: Case, dtype, device):
    rows = [[1e4, -1e4, 0.0, 5.0], [-1e4] * 4, [1e4] * 4, [0.0, 1e4, 1e4, -1e4]]
    logits = torch.tensor(rows, dtype=dtype, device=device)
    for label in range(4):
        ours = logits.clone().requires_grad_()
        losses = every_case.function(
            ours, torch.full((4,), label, device=device), reduction="none", **every_case.smoothing(0.1)
        )
        assert losses.dtype == torch.promote_types(dtype, torch.float32)
        assert torch.isfinite(losses).all()
        losses.sum().backward()
        assert ours.grad.dtype == dtype
        assert torch.isfinite(ours.grad).all()


def test_half_precision_is_computed_in_float32(every_case: Case, device):
    logits, labels = some_logits(dtype=torch.float32).to(device, torch.bfloat16), LABELS.to(device)
    expected = every_case.function(logits.float(), labels)
    assert torch.equal(every_case.function(logits, labels), expected)
    with torch.autocast(device.type, torch.bfloat16):
        torch.testing.assert_close(every_case.function(logits, labels), expected)


@pytest.mark.parametrize("name", ["focal", "focal below one", "ldam"])
def test_float32_keeps_its_digits_where_the_network_is_sure(name):
    # torch's log_softmax gives 0 for a probability of 1 - 1e-11; these three are made of the log odds.
    case = ALL[name]
    logits = torch.tensor([[25.0, 0.0, 1.0, -3.0], [0.0, 30.0, 2.0, 1.0]], requires_grad=True)
    wide = logits.detach().double().requires_grad_()
    labels = torch.tensor([0, 1])
    losses = [case.function(z, labels, reduction="none") for z in (logits, wide)]
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=1e-4, atol=1e-38)
    for each in losses:
        each.sum().backward()
    torch.testing.assert_close(logits.grad.double(), wide.grad, rtol=1e-4, atol=1e-38)


def test_empty_and_single_batches(every_case: Case):
    empty = torch.zeros(0, 4, requires_grad=True)
    labels = torch.zeros(0, dtype=torch.int64)
    assert every_case.function(empty, labels, reduction="none").shape == (0,)
    for target in (labels, torch.zeros(0, 4), MixedTarget(labels, labels, torch.zeros(0))):
        loss = every_case.function(empty, target)
        assert loss.item() == 0
        loss.backward()
    one = some_logits(1)
    assert every_case.function(one, LABELS[:1]).item() == pytest.approx(every_case.loop(one[0].tolist(), 0))


def test_compiles_as_one_graph_for_any_batch(every_case: Case, device):
    weighting = HardExamples(Pace(epochs=4, batch_size=6))
    module = every_case.module(weighting=weighting).to(device)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    for size in (6, 5, 3):
        logits, labels = some_logits(size, dtype=torch.float32).to(device), LABELS[:size].to(device)
        torch.testing.assert_close(compiled(logits, labels), module(logits, labels))


@given(st.integers(0, 2**31), st.floats(0, 1), st.integers(0, 5))
def test_linear_in_the_label_and_in_the_weights(seed, lam, rows):
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    first, second = torch.randint(4, (2, rows), generator=generator)
    lams = torch.full((rows,), lam, dtype=torch.float64)
    weights = torch.rand(4, generator=generator, dtype=torch.float64)
    criterion = WeightedCrossEntropy(ClassWeights(weights), 0.3, "none")
    blended = lam * criterion(logits, first) + (1 - lam) * criterion(logits, second)
    torch.testing.assert_close(criterion(logits, MixedTarget(first, second, lams)), blended)
    doubled = WeightedCrossEntropy(ClassWeights(2 * weights), 0.3, "none")
    torch.testing.assert_close(doubled(logits, first), 2 * criterion(logits, first))


def test_smoothing_is_not_distorted_by_weights(case: Case):
    logits = some_logits()
    weights = WEIGHTS[LABELS]
    options = {"reduction": "none", **case.smoothing(0.3)}
    plain = case.function(logits, LABELS, **options)
    weighted = case.function(logits, LABELS, weighting=ClassWeights(WEIGHTS), **options)
    torch.testing.assert_close(weighted, weights * plain)


def test_weights_of_images_and_of_classes(case: Case):
    logits, shares = some_logits(), some_shares()
    losses = case.function(logits, shares, reduction="none")
    seen = []

    def by_image(losses: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        seen.append((losses, shares))
        return torch.arange(len(losses), dtype=losses.dtype).requires_grad_()

    weighted = case.function(logits.requires_grad_(), shares, weighting=by_image, reduction="none")
    torch.testing.assert_close(weighted, torch.arange(6) * losses)
    assert torch.equal(seen[0][0], losses.detach())
    assert torch.equal(seen[0][1], shares)
    assert not seen[0][0].requires_grad


BAD = [
    (
        {"logits": torch.zeros(2, 1)},
        ValueError,
        r"logits: expected \[B, K\] with two or more classes, got shape \[2, 1\]",
    ),
    ({"logits": torch.zeros(4)}, ValueError, r"logits: expected \[B, K\]"),
    ({"logits": torch.zeros(2, 4).int()}, TypeError, "logits: expected a floating-point tensor, got torch.int32"),
    ({"logits": [[0.0] * 4] * 2}, TypeError, "logits: expected a torch.Tensor, got list"),
    ({"target": torch.tensor([0, 4])}, ValueError, r"target: expected labels from 0 to 3, got \[4\]"),
    ({"target": torch.tensor([0])}, ValueError, "target: expected one for each of 2 images, got 1"),
    ({"target": torch.tensor([[0, 1], [1, 0]])}, ValueError, r"target: expected labels \[B\], got shape \[2, 2\]"),
    ({"target": torch.zeros(2)}, ValueError, r"target: expected shares \[B, 4\], got shape \[2\]"),
    ({"target": torch.zeros(2, 3)}, ValueError, r"target: expected shares \[B, 4\], got shape \[2, 3\]"),
    ({"target": torch.zeros(2, 4)}, ValueError, "target: expected shares of at least 0 that sum to 1"),
    ({"target": torch.tensor([[2.0, -1, 0, 0]] * 2)}, ValueError, "got a smallest share of -1 and sums of 1 to 1"),
    ({"target": torch.full((2, 4), math.nan)}, ValueError, "target: expected shares of at least 0"),
    ({"target": [0, 1]}, TypeError, "target: expected a torch.Tensor, got list"),
    (
        {"target": torch.zeros(2, dtype=torch.int64, device="meta")},
        ValueError,
        "target: expected device cpu like logits",
    ),
    ({"weighting": 3.0}, TypeError, "weighting: expected None or a callable such as ClassWeights"),
    (
        {"weighting": lambda losses, _: losses[:1]},
        ValueError,
        r"weighting: expected weights \[2\] or \[2, 4\], got \[1\]",
    ),
    ({"weighting": lambda _losses, _: 1.0}, TypeError, "weighting: expected a torch.Tensor, got float"),
    ({"label_smoothing": 1.5}, ValueError, "label_smoothing: expected a number from 0 to 1, got 1.5"),
    ({"label_smoothing": None}, TypeError, "label_smoothing: expected a number, got None"),
    ({"reduction": "max"}, ValueError, 'reduction: expected "none", "mean" or "sum", got \'max\''),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_what_does_not_fit_is_refused(every_case: Case, change, error, message):
    if "label_smoothing" in change and not every_case.smooths:
        return
    arguments = {"logits": torch.zeros(2, 4), "target": torch.tensor([0, 1])} | change
    logits, target = arguments.pop("logits"), arguments.pop("target")
    with pytest.raises(error, match=message):
        every_case.function(logits, target, **arguments)


@pytest.mark.parametrize("options", [{"weighting": 3.0}, {"label_smoothing": -0.1}, {"reduction": "max"}])
def test_modules_refuse_bad_options_at_once(every_case: Case, options):
    if "label_smoothing" in options and not every_case.smooths:
        return
    with pytest.raises((TypeError, ValueError), match=f"{next(iter(options))}: expected"):
        every_case.module(**options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_the_gpu(every_case: Case):
    module = every_case.module(weighting=ClassWeights(WEIGHTS)).cuda()
    logits, labels = some_logits().cuda().requires_grad_(), LABELS.cuda()
    module(logits, labels).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        module(logits, labels).backward()
        module(logits, MixedTarget(labels, labels.flip(0), torch.rand(6, device="cuda"))).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_modules_show_their_options(every_case: Case):
    assert "reduction='sum'" in repr(every_case.module(reduction="sum"))


@pytest.mark.parametrize(
    "name", ["cross entropy", "focal", "focal below one", "ldam", "balanced softmax", "logit adjustment"]
)
@pytest.mark.parametrize("possible", [3, 2, 1])
def test_a_class_that_is_ruled_out_costs_nothing(name: str, possible: int):
    case = ALL[name]
    classes = torch.arange(possible, 4)
    ruled_out = some_logits().index_fill(1, classes, -math.inf).requires_grad_()
    far_away = some_logits().index_fill(1, classes, -1e4).requires_grad_()
    labels = torch.tensor([0, 1, 1, 2, 0, 2]) % possible
    losses = case.function(ruled_out, labels, reduction="none")
    expected = case.function(far_away, labels, reduction="none")
    torch.testing.assert_close(losses, expected)
    losses.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ruled_out.grad, far_away.grad)
    assert case.function(ruled_out, torch.full((6,), 3)).isposinf()
