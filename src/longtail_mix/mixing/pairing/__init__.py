"""Who is mixed with whom: from the labels of a batch to a partner for each image."""

from longtail_mix.mixing.pairing.any_other import RandomPairing, ShiftedPairing, random_partners, shifted_partners
from longtail_mix.mixing.pairing.balanced import BalancedPairing, balanced_pairing, balanced_partners
from longtail_mix.mixing.pairing.head_tail import HeadTailPairing, Pairing, head_tail_pairing, head_tail_partners
from longtail_mix.mixing.pairing.weighted import InverseFrequencyPairing, weighted_partners

__all__ = [
    "BalancedPairing",
    "HeadTailPairing",
    "InverseFrequencyPairing",
    "Pairing",
    "RandomPairing",
    "ShiftedPairing",
    "balanced_pairing",
    "balanced_partners",
    "head_tail_pairing",
    "head_tail_partners",
    "random_partners",
    "shifted_partners",
    "weighted_partners",
]
