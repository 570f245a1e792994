"""The contrastive losses beside literal loops over the papers' equations, and what holds for all three."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from longtail_mix import BalancedContrastiveLoss, MixedTarget, PaCoLoss, SupervisedContrastiveLoss
from longtail_mix.functional import balanced_contrastive_loss, paco_loss, supervised_contrastive_loss

K, D = 4, 5
COUNTS = [70, 20, 9, 1]
NAMES = ["supervised", "paco", "balanced"]
LABELS = torch.tensor([0, 2, 0, 1, 0, 2])  # one anchor has no other of its class, and class 3 is missing
Vector = list[float]


def module(name: str, temperature: float = 0.3) -> torch.nn.Module:
    if name == "paco":
        return PaCoLoss(COUNTS, alpha=0.3, beta=0.7, gamma=0.6, temperature=temperature)
    return {"supervised": SupervisedContrastiveLoss, "balanced": BalancedContrastiveLoss}[name](temperature)


def draw(rows: int, seed: int = 0, dtype: torch.dtype = torch.float64, width: int = D) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(100 * seed + rows), dtype=dtype)


def inputs(name: str, rows: int = 6, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Queries, and the logits or prototypes of the losses that have them."""
    second = {"supervised": [], "paco": [draw(rows, 5, dtype, K)], "balanced": [draw(K, 6, dtype)]}
    return [draw(rows, 1, dtype), *second[name]]


def others(dtype: torch.dtype = torch.float64, size: int = 7) -> dict[str, Tensor]:
    """Keys of every kind of label, and a queue with two empty places."""
    labels = torch.tensor([-1, 3, 0, 1, -1, 2, 2])[:size]
    keys = {"keys": draw(3, 2, dtype), "key_labels": torch.tensor([1, 3, 0])}
    return {**keys, "queue": draw(size, 3, dtype), "queue_labels": labels}


def shares(rows: int, seed: int = 4) -> Tensor:
    positive = draw(rows, seed, width=K).exp()
    return positive / positive.sum(1, keepdim=True)


def cosine(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def hard_loop(name: str, first: list[Tensor], labels: list[int], extra: dict[str, Tensor], t: float) -> float:
    """The equations as printed: sets of positives, a fraction inside a logarithm for each, means over the sets."""
    queries = first[0].tolist()
    contrasts = list(zip(queries, labels, strict=True))
    for features, theirs in (("keys", "key_labels"), ("queue", "queue_labels")):
        if features in extra:
            contrasts += zip(extra[features].tolist(), extra[theirs].tolist(), strict=True)
    losses = []
    for i, (z, y) in enumerate(zip(queries, labels, strict=True)):
        allowed = [(math.exp(cosine(z, a) / t), c) for k, (a, c) in enumerate(contrasts) if k != i and c >= 0]
        positives = [e for e, c in allowed if c == y]
        if name == "supervised":
            denominator = sum(e for e, _ in allowed)
            if positives:
                losses.append(-1 / len(positives) * sum(math.log(e / denominator) for e in positives))
        elif name == "paco":
            alpha, beta, gamma = 0.3, 0.7, 0.6
            centres = [math.exp(s + math.log(n / 100)) for s, n in zip(first[1][i].tolist(), COUNTS, strict=True)]
            denominator = sum(centres) + gamma * sum(e for e, _ in allowed)
            value = beta * math.log(centres[y] / denominator)
            value += alpha * sum(math.log(e / denominator) for e in positives)
            losses.append(-value / (beta + alpha * len(positives)))
        else:
            members = [[math.exp(cosine(z, c) / t)] for c in first[1].tolist()]
            for e, c in allowed:
                members[c].append(e)
            denominator = sum(sum(m) / len(m) for m in members)
            losses.append(-1 / len(members[y]) * sum(math.log(e / denominator) for e in members[y]))
    return sum(losses) / len(losses)


def soft_loop(name: str, first: list[Tensor], target: Tensor, extra: list[tuple[Tensor, Tensor]], t: float) -> float:
    """Positives by the inner product of the labels; members of a class by their share of it."""
    queries, q = first[0].tolist(), target.tolist()
    contrasts = list(zip(queries, q, strict=True))
    for features, theirs in extra:
        contrasts += zip(features.tolist(), theirs.tolist(), strict=True)
    losses = []
    for i, z in enumerate(queries):
        allowed = [(math.exp(cosine(z, a) / t), c) for k, (a, c) in enumerate(contrasts) if k != i and sum(c)]
        positives = [(e, sum(x * y for x, y in zip(q[i], c, strict=True))) for e, c in allowed]
        if name == "supervised":
            denominator = sum(e for e, _ in allowed)
        elif name == "paco":
            centres = [math.exp(s + math.log(n / 100)) for s, n in zip(first[1][i].tolist(), COUNTS, strict=True)]
            denominator = sum(centres) + 0.6 * sum(e for e, _ in allowed)
            positives = [(e, 0.3 * w) for e, w in positives]
            positives += [(e, 0.7 * w) for e, w in zip(centres, q[i], strict=True)]
        else:
            prototypes = [math.exp(cosine(z, c) / t) for c in first[1].tolist()]
            denominator = 0.0
            for c in range(K):
                above = prototypes[c] + sum(e * share[c] for e, share in allowed)
                denominator += above / (1 + sum(share[c] for _, share in allowed))
            positives += list(zip(prototypes, q[i], strict=True))
        weight = sum(w for _, w in positives)
        losses.append(-sum(w * math.log(e / denominator) for e, w in positives) / weight)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parts", [[], ["keys"], ["queue"], ["keys", "queue"]])
def test_equals_the_loop(name, parts):
    extra = {part: value for part, value in others().items() if part.replace("key_", "keys_").split("_")[0] in parts}
    first = inputs(name)
    got = module(name)(*first, LABELS, **extra)
    assert got.item() == pytest.approx(hard_loop(name, first, LABELS.tolist(), extra, 0.3), abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_soft_labels_and_mixed_targets_equal_the_loop(name):
    first, keys, queue = inputs(name), draw(6, 2), draw(3, 3)
    queue_labels, queue_shares = torch.tensor([2, -1, 0]), torch.tensor([[0.0, 0, 1, 0], [0] * 4, [1, 0, 0, 0]])
    mixed = MixedTarget(LABELS, LABELS.flip(0), torch.linspace(0, 1, 6, dtype=torch.float64))
    soft, hard = shares(6), torch.nn.functional.one_hot(LABELS, K).double()
    # (target, labels of the keys; None: those of the queries), and both as shares
    for given_target, given_keys, target, theirs in [
        (soft, None, soft, soft),
        (soft, mixed, soft, mixed.soft(K)),
        (mixed, None, mixed.soft(K), mixed.soft(K)),
        (mixed, LABELS, mixed.soft(K), hard),
        (LABELS, mixed, hard, mixed.soft(K)),
        (LABELS, soft, hard, soft),
    ]:
        got = module(name)(*first, given_target, keys, given_keys, queue, queue_labels)
        expected = soft_loop(name, first, target, [(keys, theirs), (queue, queue_shares)], 0.3)
        assert got.item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    extra, soft = others(), shares(6)
    differentiable = [x.requires_grad_() for x in (*inputs(name), extra.pop("keys"), extra.pop("queue"))]

    def loss(*tensors: Tensor, target: Tensor | MixedTarget) -> Tensor:
        *first, keys, queue = tensors
        return module(name)(*first, target, keys=keys, queue=queue, **extra)

    for target in (LABELS, soft, MixedTarget(LABELS, LABELS.flip(0), soft[:, 0])):
        torch.autograd.gradcheck(lambda *t, target=target: loss(*t, target=target), differentiable)
    labels = soft.clone().requires_grad_()
    loss(*differentiable, target=labels).backward()
    assert labels.grad is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [1, 1, 1, 1], [2], []], ids=["single members", "one class", "1", "0"])
@pytest.mark.parametrize("queue", [None, 0, 3], ids=["no queue", "size 0", "all empty"])
@pytest.mark.parametrize("keys", [False, True], ids=["no keys", "keys"])
def test_corners_are_finite_in_bfloat16_at_a_small_temperature(name, labels, queue, keys, device):
    first = [10 * x.to(device, torch.bfloat16) for x in inputs(name, len(labels))]
    first[0][:1] = 0  # a feature of zeros has no direction
    extra: dict[str, Tensor] = {}
    if queue is not None:
        extra["queue"] = draw(queue, 3).to(device, torch.bfloat16)
        extra["queue_labels"] = torch.full((queue,), -1, device=device)
    if keys:
        extra["keys"] = -first[0]
    for x in first:
        x.requires_grad_()
    # Anomaly detection: nor may a NaN be hidden by what is done with it afterwards.
    with torch.autograd.set_detect_anomaly(True), torch.autocast(device.type, torch.bfloat16):
        loss = module(name, 0.01)(*first, torch.tensor(labels, dtype=torch.int64, device=device), **extra)
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    with torch.autograd.set_detect_anomaly(True):
        loss.backward()
    for x in first:
        assert torch.isfinite(x.grad).all()
        assert x.grad.abs().max() < 1e4 if x.grad.numel() else True
    if not labels or (name == "supervised" and not keys and labels != [1, 1, 1, 1]):
        assert loss == 0


def test_anchors_without_positives_are_left_out_of_the_mean():
    queries = inputs("supervised")[0]
    expected = hard_loop("supervised", [queries], LABELS.tolist(), {}, 0.3)
    everyone = hard_loop("supervised", [queries], [0, 1, 0, 1, 0, 1], {}, 0.3)
    loss = SupervisedContrastiveLoss(0.3)
    assert loss(queries, LABELS).item() == pytest.approx(expected, abs=1e-8)
    assert loss(queries, torch.tensor([0, 1, 0, 1, 0, 1])).item() == pytest.approx(everyone, abs=1e-8)


def test_alpha_beta_and_gamma_at_zero():
    queries, logits = inputs("paco")
    priors = torch.tensor(COUNTS, dtype=torch.float64).div(100).log()
    cross_entropy = torch.nn.functional.cross_entropy
    torch.testing.assert_close(PaCoLoss(alpha=0, gamma=0)(queries, logits, LABELS), cross_entropy(logits, LABELS))
    adjusted = PaCoLoss(COUNTS, alpha=0, gamma=0)(queries, logits, LABELS, **others())
    torch.testing.assert_close(adjusted, cross_entropy(logits + priors, LABELS))
    alone = PaCoLoss()(queries[:1], logits[:1], LABELS[:1])
    torch.testing.assert_close(alone, cross_entropy(logits[:1], LABELS[:1]))
    # Centres out of reach leave supervised contrast.
    far = torch.full_like(logits, -1e4)
    expected = SupervisedContrastiveLoss(0.3)(queries, LABELS)
    torch.testing.assert_close(PaCoLoss(alpha=1, beta=0, temperature=0.3)(queries, far, LABELS), expected)


def test_a_class_that_is_ruled_out_is_no_positive_of_paco():
    queries, logits = inputs("paco")
    losses, gradients = [], []
    for far in (-math.inf, -1e4):
        x = logits.index_fill(1, torch.tensor([3]), far).requires_grad_()
        losses.append(PaCoLoss()(queries, x, LABELS, **others()))
        gradients.append(torch.autograd.grad(losses[-1], x)[0])
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", NAMES)
def test_features_of_any_size(name):
    # Squares overflow from 1e19 on in float32 and in bfloat16.
    first, extra = inputs(name, dtype=torch.float32), others(torch.float32)
    expected = module(name)(*first, LABELS, **extra)
    first[0] = 1e30 * first[0]
    first[0].requires_grad_()
    extra["keys"], extra["queue"] = 1e30 * extra["keys"], 1e-10 * extra["queue"]
    loss = module(name)(*first, LABELS, **extra)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert 0 < first[0].grad.abs().max() < 1e-29


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_labels_of_any_whole_numbers(name, dtype):
    first, extra = inputs(name), others()
    expected = module(name)(*first, LABELS, **extra)
    extra["key_labels"] = extra["key_labels"].to(dtype)
    if dtype == torch.uint8:  # has no -1
        filled = extra["queue_labels"] >= 0
        extra["queue"], extra["queue_labels"] = extra["queue"][filled], extra["queue_labels"][filled]
    extra["queue_labels"] = extra["queue_labels"].to(dtype)
    torch.testing.assert_close(module(name)(*first, LABELS.to(dtype), **extra), expected)


def test_one_image_a_class_and_prototypes_alone_are_cross_entropy_over_cosines():
    queries, prototypes = draw(1), draw(K, 6)
    cosines = torch.nn.functional.cosine_similarity(queries, prototypes)
    expected = torch.nn.functional.cross_entropy(cosines / 0.1, torch.tensor(2))
    torch.testing.assert_close(BalancedContrastiveLoss()(queries, prototypes, torch.tensor([2])), expected)


def test_a_class_counts_once_however_many_images_it_has():
    # The same negative twenty times over changes nothing for the others' anchors.
    queries, prototypes, negative = draw(1), draw(K, 6), draw(1, 8)
    prototypes[3] = negative[0]
    few, many = (
        balanced_contrastive_loss(
            queries, prototypes, torch.tensor([0]), negative.expand(n, -1), torch.full((n,), 3), temperature=0.3
        )
        for n in (1, 20)
    )
    torch.testing.assert_close(few, many)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_and_autocast_compute_in_float32(name, device):
    def to(tensors: Any, dtype: torch.dtype) -> list[Tensor]:
        return [x.to(device, dtype) if x.is_floating_point() else x.to(device) for x in tensors]

    first, extra = to(inputs(name), torch.bfloat16), others()
    extra = dict(zip(extra, to(extra.values(), torch.bfloat16), strict=True))
    labels, loss = LABELS.to(device), module(name).to(device)
    wide = dict(zip(extra, to(extra.values(), torch.float32), strict=True))
    expected = loss(*to(first, torch.float32), labels, **wide)
    assert expected.dtype == torch.float32
    assert torch.equal(loss(*first, labels, **extra), expected)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(loss(*first, labels, **extra), expected)


@pytest.mark.parametrize("name", NAMES)
def test_compiles_as_one_graph_for_any_batch(name, device):
    loss = module(name).to(device)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    extra = {part: value.to(device) for part, value in others(torch.float32).items()}
    lam = torch.rand(3, device=device)
    labels = LABELS.to(device)
    for rows, target in ((6, labels), (5, labels[:5]), (3, MixedTarget(labels[:3], labels[3:], lam))):
        first = [x.to(device).requires_grad_() for x in inputs(name, rows, torch.float32)]
        copies = copy.deepcopy(first)
        got, expected = compiled(*first, target, **extra), loss(*copies, target, **extra)
        torch.testing.assert_close(got, expected)
        got.backward()
        expected.backward()
        for x, y in zip(first, copies, strict=True):
            torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_waits_for_a_gpu(name):
    # Fake tensors have shapes and a device but no values: whoever looks at one raises.
    with FakeTensorMode(), torch.device("cuda"):
        first = [torch.empty_like(x, device="cuda") for x in inputs(name)]
        extra = {part: torch.empty_like(value, device="cuda") for part, value in others().items()}
        labels, lam = torch.empty(6, dtype=torch.int64), torch.empty(6)
        for target in (labels, torch.empty(6, K), MixedTarget(labels, labels, lam)):
            loss = module(name).to("cuda")(*first, target, **extra)
            assert (loss.device.type, loss.shape) == ("cuda", ())


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 100))
def test_neither_order_nor_length_nor_turning_counts(name, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    first, extra, loss = inputs(name), others(), module(name)
    expected = loss(*first, LABELS, **extra)
    order = torch.randperm(6, generator=generator)
    turn = torch.linalg.qr(torch.randn(D, D, generator=generator, dtype=torch.float64))[0]
    shuffled = [x[order] if len(x) == 6 else x for x in first]
    turned = [scale * x @ turn if x.shape[1] == D else x for x in shuffled]
    for part in ("keys", "queue"):
        extra[part] = extra[part] @ turn / scale
    slots = torch.randperm(7, generator=generator)
    extra["queue"], extra["queue_labels"] = extra["queue"][slots], extra["queue_labels"][slots]
    torch.testing.assert_close(loss(*turned, LABELS[order], **extra), expected)


@pytest.mark.parametrize("name", NAMES)
def test_modules_are_their_functions_and_have_no_weights(name):
    first, extra, loss = inputs(name), others(), module(name)
    functions: dict[str, Callable[..., Tensor]] = {
        "supervised": supervised_contrastive_loss,
        "paco": lambda *a, **o: paco_loss(*a, class_counts=COUNTS, alpha=0.3, beta=0.7, gamma=0.6, **o),
        "balanced": balanced_contrastive_loss,
    }
    assert torch.equal(loss(*first, LABELS, **extra), functions[name](*first, LABELS, **extra, temperature=0.3))
    assert not list(loss.parameters())
    assert not loss.state_dict()
    assert "temperature=0.3" in repr(loss)
    assert ("num_classes=4, alpha=0.3, beta=0.7, gamma=0.6" in repr(loss)) == (name == "paco")
    assert "num_classes" not in repr(PaCoLoss())


def values_and_gradients_agree(got: Tensor, expected: Tensor, *inputs: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(loss, inputs) for loss in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


def test_agrees_with_pytorch_metric_learning():
    reason = "pytorch-metric-learning has supervised contrast too, and is not needed for anything else"
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason=reason)
    generator = torch.Generator().manual_seed(0)
    for rows, temperature in ((6, 0.1), (32, 0.2), (64, 1.0)):
        queries, labels = draw(rows).requires_grad_(), torch.randint(8, (rows,), generator=generator)
        got = SupervisedContrastiveLoss(temperature)(queries, labels)
        expected = losses.SupConLoss(temperature)(queries, labels)
        values_and_gradients_agree(got, expected, queries)
        # Theirs takes the contrasts beyond the batch as references, with the pairs listed.
        keys, queue = draw(rows, 2).requires_grad_(), draw(20, 3)
        queue_labels = torch.randint(8, (20,), generator=generator)
        everyone = torch.cat([labels, labels, queue_labels])
        same = labels[:, None] == everyone
        not_self = ~torch.eye(rows, len(everyone), dtype=torch.bool)
        pairs = (*torch.where(same & not_self), *torch.where(~same))
        got = SupervisedContrastiveLoss(temperature)(queries, labels, keys, None, queue, queue_labels)
        references = torch.cat([queries, keys, queue])
        expected = losses.SupConLoss(temperature)(
            queries, labels, indices_tuple=pairs, ref_emb=references, ref_labels=everyone
        )
        values_and_gradients_agree(got, expected, queries, keys)


QUEUE = {"queue": torch.zeros(2, D), "queue_labels": torch.tensor([0, -1])}
BAD = [
    ({"queries": torch.zeros(2, D).int()}, TypeError, "queries: expected a floating-point tensor, got torch.int32"),
    ({"queries": [[0.0]]}, TypeError, "queries: expected a torch.Tensor, got list"),
    ({"queries": torch.zeros(2, 0)}, ValueError, r"queries: expected features \[N, D\], got shape \[2, 0\]"),
    ({"queries": torch.zeros(2)}, ValueError, r"queries: expected features \[N, D\], got shape \[2\]"),
    ({"target": [0, 1]}, TypeError, "target: expected a torch.Tensor, got list"),
    ({"target": torch.tensor([0])}, ValueError, "target: expected one for each of 2 queries, got 1"),
    ({"target": torch.tensor([0, -1])}, ValueError, r"target: expected labels of at least 0, got \[-1\]"),
    ({"target": torch.tensor([0.0, 1.0])}, ValueError, r"target: expected shares \[B, 2\], got shape \[2\]"),
    ({"target": torch.ones(2, K)}, ValueError, "target: expected shares of at least 0 that sum to 1"),
    ({"target": torch.tensor(0.0)}, ValueError, r"target: expected shares \[B, 0\], got shape \[\]"),
    ({"keys": torch.zeros(2, 3)}, ValueError, r"keys: expected features \[N, 5\], got shape \[2, 3\]"),
    ({"keys": torch.zeros(3, D)}, ValueError, "key_labels: expected one for each of 3 keys, got 2"),
    ({"key_labels": torch.tensor([0, 1])}, ValueError, "key_labels: expected None without keys"),
    ({"queue": torch.zeros(2, D)}, ValueError, "queue, queue_labels: expected both or neither"),
    ({"queue_labels": torch.tensor([0])}, ValueError, "queue, queue_labels: expected both or neither"),
    ({**QUEUE, "queue_labels": torch.tensor([0])}, ValueError, r"expected shape \[2\], one for each place, got \[1\]"),
    ({**QUEUE, "queue_labels": torch.zeros(2)}, TypeError, "queue_labels: expected integer labels, got torch.float32"),
    ({**QUEUE, "queue_labels": torch.tensor([0j, 1j])}, TypeError, "expected integer labels, got torch.complex64"),
    ({**QUEUE, "queue_labels": torch.tensor([0, -2])}, ValueError, "or -1 for an empty place, got -2"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("bad", "error", "message"), BAD)
def test_bad_input(name, bad, error, message):
    given_ = {"queries": torch.zeros(2, D), "target": torch.tensor([0, 1])} | bad
    second = {"supervised": {}, "paco": {"logits": torch.zeros(2, K)}, "balanced": {"prototypes": torch.eye(K, D)}}
    with pytest.raises(error, match=message):
        module(name)(**given_, **second[name])


def test_bad_logits_prototypes_and_options():
    queries, labels = torch.zeros(2, D), torch.tensor([0, 3])
    with pytest.raises(ValueError, match=r"logits: expected \[B, K\] with two or more classes, got shape \[2, 1\]"):
        paco_loss(queries, torch.zeros(2, 1), labels)
    with pytest.raises(ValueError, match="logits: expected one row for each of 2 queries, got 3"):
        paco_loss(queries, torch.zeros(3, K), labels)
    with pytest.raises(ValueError, match=r"target: expected labels from 0 to 2, got \[3\]"):
        paco_loss(queries, torch.zeros(2, 3), labels)
    with pytest.raises(ValueError, match="class_counts: expected one for each of 4 classes"):
        paco_loss(queries, torch.zeros(2, K), labels, class_counts=[1, 2, 3])
    with pytest.raises(ValueError, match=r"prototypes: expected features \[K, 5\], got shape \[4, 3\]"):
        balanced_contrastive_loss(queries, torch.zeros(4, 3), labels)
    with pytest.raises(ValueError, match=r"labels: expected labels from 0 to 3, got \[4\]"):
        balanced_contrastive_loss(queries, torch.zeros(4, D), labels, torch.zeros(1, D), torch.tensor([4]))
    for temperature in (0, -1.0, math.inf, math.nan):
        for loss in (SupervisedContrastiveLoss, BalancedContrastiveLoss, lambda t: PaCoLoss(temperature=t)):
            with pytest.raises(ValueError, match="temperature: expected a finite number above 0"):
                loss(temperature)
    for option in ("alpha", "beta", "gamma"):
        with pytest.raises(ValueError, match=f"{option}: expected a finite number of at least 0, got -1"):
            PaCoLoss(**{option: -1})
    with pytest.raises(ValueError, match="alpha, beta: expected one of them above 0"):
        PaCoLoss(alpha=0, beta=0)
    with pytest.raises(ValueError, match="class_counts: expected images of every class"):
        PaCoLoss([1, 0])
