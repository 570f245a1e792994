"""How much two predictions differ: by loops, as torch's own divergence, at the edges."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import ConsistencyLoss
from longtail_mix.functional import consistency_loss

GENERATOR = torch.Generator().manual_seed(0)
LOGITS, OTHERS = 3 * torch.randn(2, 6, 4, generator=GENERATOR, dtype=torch.float64)


def test_it_is_what_the_loop_says():
    expected = []
    for z, y in zip(LOGITS.tolist(), OTHERS.tolist(), strict=True):
        p, q = ([math.exp(value) / sum(map(math.exp, row)) for value in row] for row in (z, y))
        there = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        back = sum(b * math.log(b / a) for a, b in zip(p, q, strict=True))
        expected.append((there + back) / 2)
    torch.testing.assert_close(
        consistency_loss(LOGITS, OTHERS, "none"), torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=0
    )
    assert consistency_loss(LOGITS, OTHERS).item() == pytest.approx(sum(expected) / 6)
    assert ConsistencyLoss("sum")(LOGITS, OTHERS).item() == pytest.approx(sum(expected))


def test_it_is_half_of_both_divergences_of_torch():
    p, q = LOGITS.log_softmax(1), OTHERS.log_softmax(1)
    both = sum(F.kl_div(a, b, reduction="batchmean", log_target=True) for a, b in ((p, q), (q, p)))
    torch.testing.assert_close(consistency_loss(LOGITS, OTHERS), both / 2)


@given(st.integers(0, 2**31), st.floats(-50, 50))
def test_it_does_not_mind_which_comes_first_nor_a_shift_and_is_never_below_zero(seed, shift):
    z, y = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    loss = consistency_loss(z, y, "none")
    torch.testing.assert_close(consistency_loss(y, z + shift, "none"), loss)
    assert (loss >= 0).all()
    torch.testing.assert_close(consistency_loss(z, z + shift), torch.zeros((), dtype=torch.float64))


def test_both_get_the_gradient():
    inputs = (LOGITS.clone().requires_grad_(), OTHERS.clone().requires_grad_())
    assert torch.autograd.gradcheck(consistency_loss, inputs)
    consistency_loss(*inputs).backward()
    assert all(values.grad.abs().sum() > 0.01 for values in inputs)


def test_a_class_that_both_rule_out_adds_nothing_and_one_that_one_rules_out_is_infinite():
    with_ruled_out = [
        torch.cat([values, torch.full((6, 1), -math.inf)], 1).requires_grad_() for values in (LOGITS, OTHERS)
    ]
    loss = consistency_loss(*with_ruled_out)
    torch.testing.assert_close(loss, consistency_loss(LOGITS, OTHERS))
    loss.backward()
    assert all(values.grad.isfinite().all() for values in with_ruled_out)
    for other in (OTHERS[:, :1], torch.full((6, 1), -1e3)):  # the second one's exponential is 0 too
        assert consistency_loss(with_ruled_out[0], torch.cat([OTHERS, other], 1)) == math.inf


def test_an_empty_batch_is_zero_and_half_precision_is_widened():
    assert consistency_loss(torch.zeros(0, 3), torch.zeros(0, 3)) == 0
    assert consistency_loss(LOGITS.bfloat16(), OTHERS.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((LOGITS, OTHERS[:5]), r"other_logits: expected shape \[6, 4\] like logits, got \[5, 4\]"),
        ((LOGITS, OTHERS.float()), "other_logits: expected dtype"),
        ((LOGITS[0], OTHERS[0]), "^logits: expected .B, K."),
        ((LOGITS, OTHERS[:, :1]), "other_logits: expected .B, K. with two or more classes"),
    ],
)
def test_what_does_not_fit_is_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        consistency_loss(*inputs)


def test_an_unknown_reduction_is_refused_when_it_is_built():
    with pytest.raises(ValueError, match="reduction: expected"):
        ConsistencyLoss("batchmean")
