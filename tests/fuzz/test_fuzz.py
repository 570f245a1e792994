"""The fuzzer itself: every public name has arguments, and a seeded share of the calls runs with the tests."""

import pytest
import torch

from tests.fuzz.calls import NOT_CALLED, methods_of, parameters_of, public_names
from tests.fuzz.run import run_calls

NAMES = public_names()
CALLED = sorted(set(NAMES) - set(NOT_CALLED))
CALLS = 2000
SEED = 14


@pytest.mark.parametrize("name", CALLED)
def test_every_public_name_has_a_generator_for_each_argument(name):
    parameters_of(name, NAMES[name])
    for method in methods_of(name, NAMES[name]):
        parameters_of(f"{name}.{method}", getattr(NAMES[name], method))


def test_a_name_without_a_generator_would_be_seen():
    def new_operator(images: torch.Tensor, viscosity: float) -> torch.Tensor:
        return images * viscosity

    with pytest.raises(LookupError, match="new_operator: say in .* how viscosity is drawn"):
        parameters_of("new_operator", new_operator)


@pytest.mark.parametrize("name", CALLED)
def test_calls_with_odd_and_wrong_arguments(name):
    run_calls(name, NAMES[name], -(-CALLS // len(CALLED)), SEED)
