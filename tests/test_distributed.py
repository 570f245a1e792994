"""Four real processes over gloo, then two, then one: what they gather and what gradients come back."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from longtail_mix._distributed import gather, gather_with_gradient, rank, total, world_size

from .distributed_ranks import WORLDS, run


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """What each rank of each world found: {size: [results of rank 0, of rank 1, ...]}."""
    folder = str(tmp_path_factory.mktemp("ranks"))
    command = [sys.executable, str(Path(__file__).with_name("distributed_ranks.py")), folder]
    others = [subprocess.Popen([*command, str(r)], stderr=subprocess.PIPE, text=True) for r in (1, 2, 3)]
    ours = run(folder, 0)  # this process, so that the lines show in the coverage
    errors = [other.communicate(timeout=300)[1] for other in others]
    assert [other.returncode for other in others] == [0, 0, 0], errors
    ranks = [ours, *(torch.load(f"{folder}/rank{r}.pt") for r in (1, 2, 3))]
    return {size: [results[size] for results in ranks[:size]] for size in WORLDS}


@pytest.mark.parametrize("size", WORLDS)
def test_gathered_in_the_order_of_the_ranks_with_the_gradient_of_the_sum(worlds, size):
    results = [world["gathering"] for world in worlds[size]]
    everything = torch.cat([result["mine"] for result in results])
    transposed = torch.cat([result["mine"].t() for result in results])
    for number, result in enumerate(results):
        assert (result["rank"], result["size"]) == (number, size)
        assert torch.equal(result["together"], everything)
        assert torch.equal(result["gathered"], transposed)
        assert not result["gathered has a gradient"]
        # The sum over ranks r of ((r + 1) x)^2.
        torch.testing.assert_close(result["gradient"], 2 * result["mine"] * sum((r + 1) ** 2 for r in range(size)))
        assert result["total"] == sum(range(1, size + 1))


@pytest.mark.parametrize("size", [4, 2])
def test_batches_of_unequal_size_are_an_error_on_every_rank(worlds, size):
    for world in worlds[size]:
        expected = f"tensor: expected as many rows on every rank, got {list(range(1, size + 1))}"
        assert world["gathering"]["unequal"] == expected


@pytest.mark.parametrize("size", [4, 2])
def test_a_second_derivative_is_an_error_and_not_silently_zero(worlds, size):
    for world in worlds[size]:
        assert "once_differentiable" in world["gathering"]["second derivative"]
    assert worlds[1][0]["gathering"]["second derivative"] == ""


@pytest.mark.parametrize("size", [4, 2])
def test_contrastive_losses_and_gradients_are_those_of_one_process(worlds, size):
    alone = worlds[1][0]["contrasting"]
    assert len(alone) == 16
    for name, (expected, gradients) in alone.items():
        values = torch.stack([world["contrasting"][name][0] for world in worlds[size]])
        torch.testing.assert_close(values.mean(), expected, rtol=0, atol=1e-12)
        for world in worlds[size]:
            for part, gradient in world["contrasting"][name][1].items():
                torch.testing.assert_close(gradient, gradients[part], rtol=0, atol=1e-12)
                assert gradient.abs().max() > 1e-4, (name, part)


def test_anchors_without_positives_lie_unevenly_over_the_ranks(worlds):
    # With beta = 0 a centre is no positive, so PaCo leaves them out as well; balanced contrast always has one.
    for name in ("supervised, labels", "paco without beta, labels"):
        values = [world["contrasting"][name][0].item() for world in worlds[4]]
        assert [value > 0 for value in values] == [True, True, False, False]


def test_one_process_is_left_alone():
    x = torch.randn(3, 2, requires_grad=True)
    assert gather_with_gradient(x) is x
    assert torch.equal(gather(x), x)
    assert not gather(x).requires_grad
    assert (rank(), world_size()) == (0, 1)
    assert total(x.sum()) == x.sum()
    with pytest.raises(TypeError, match=r"tensor: expected a torch.Tensor, got list"):
        gather([1.0])
