"""The noise that the ratio kernels make, in plain PyTorch, against the known answers of its authors."""

import torch

from longtail_mix.mixing.ratio._philox import philox_uniform

SEED = 2**61 + 12345678901


def test_the_noise_is_philox():
    # The known answers of the authors' Random123 for philox4x32-10: all zeros, and key and counter of ones.
    first = philox_uniform(torch.tensor([0]), 1, 4096)[0, ::1024]
    expected = torch.tensor([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
    assert torch.equal(first, (expected >> 8) * 2.0**-24)
    draw = philox_uniform(torch.tensor([SEED]), 3, 5000)
    assert draw.shape == (3, 5000)
    assert abs(draw.mean() - 0.5) < 0.01
    assert abs(draw.var() - 1 / 12) < 0.005
    assert draw.unique().numel() > 14900
    assert not torch.equal(draw[0], draw[1])
    assert torch.equal(philox_uniform(torch.tensor([SEED]), 1, 300)[0], draw[0, :300])
