"""A second stage on features that stay: what classifier retraining, weight scaling and MiSLAS have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from reproduction.methods.learner import Setting
from reproduction.methods.supervised import Supervised, SupervisedLearner
from reproduction.networks.network import Network


class FrozenFeatures(SupervisedLearner):
    """What comes after the encoder learns on; the encoder keeps the weights of the training before.

    Args:
        network: whose encoder is frozen.
        method: sampling, mix and loss of this stage.
        setting: of this stage.
        shift: go on gathering BatchNorm's statistics, now of this stage's stream ("shifted" BatchNorm, MiSLAS); else
            the encoder is as in a test.
    """

    def __init__(self, network: Network, method: Supervised, setting: Setting, shift: bool) -> None:
        super().__init__(network, method, setting)
        network.encoder.requires_grad_(False)
        self.shift = shift

    def train(self, mode: bool = True) -> FrozenFeatures:
        """Evaluation mode for an encoder whose statistics stay."""
        super().train(mode)
        if not self.shift:
            self.network.encoder.eval()
        return self

    def start_from(self, state: dict[str, Any]) -> None:
        """The encoder; what the stage needs beside it is up to the subclass."""
        self.network.encoder.load_state_dict(part_of(state, "network.encoder."))


def part_of(state: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """The tensors of a part of a learner, under the part's own names."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
