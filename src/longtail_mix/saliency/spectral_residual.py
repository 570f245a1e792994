"""Spectral residual saliency (Hou & Zhang 2007), as OpenCV computes it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_normalisation
from longtail_mix._images import as_levels
from longtail_mix._module import Module
from longtail_mix.saliency._grey import grey_of_levels

__all__ = ["SpectralResidualSaliency", "spectral_residual_saliency"]

GRID = 64  # the method works on images of this size; what is smaller than their pixels is noise to it
SIGMA = 8.0  # of a Gaussian of 5 x 5 pixels, which is nearly a box
# Whole numbers transformed in double have an error of about 1e-9: far below this a coefficient has no phase, and fades.
NO_PHASE = 1e-4


@torch.no_grad()
def spectral_residual_saliency(
    images: Tensor, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> Tensor:
    """What is left of an image when the expected part of its spectrum is taken away.

    The log amplitude of the Fourier spectrum of images is smooth; what sticks out of its local mean belongs to what
    is unusual in this one. The residual goes back with the phases as they were, and its squared, blurred magnitude is
    the saliency (Hou & Zhang 2007, Eqs. 5 to 10). The steps are those of OpenCV contrib's
    ``cv2.saliency.StaticSaliencySpectralResidual``; on real images the two maps differ by less than 1e-4. They are
    further apart only where a coefficient of the spectrum is exactly zero, as in images made of a few straight
    edges: OpenCV then takes its phase from rounding errors, and here it is left out.

    The same in plain PyTorch, for one grey image of 64 x 64 pixels::

        spectrum = torch.fft.fft2(grey)
        log_amplitude = torch.log1p(spectrum.abs())
        residual = log_amplitude - box_3x3(log_amplitude)
        magnitude = torch.fft.ifft2(torch.exp(residual) * spectrum / spectrum.abs()).abs()
        saliency = gaussian_5x5(magnitude, sigma=8) ** 2
        saliency = saliency / saliency.max()

    Args:
        images: RGB images [B, 3, H, W]; uint8, or floating point in [0, 1], or normalised with `mean` and `std`.
            They are turned grey, resized to 64 x 64 (bilinear, without antialiasing, rounded to 8 bits as in OpenCV),
            and the map is resized back (bilinear).
        mean: per-channel mean the images were normalised with, three numbers.
        std: per-channel standard deviation the images were normalised with, three positive numbers.

    Returns:
        Maps [B, 1, H, W], float32 in [0, 1], without gradient. Flat images give zeros.

    Raises:
        TypeError, ValueError: as :func:`~longtail_mix.functional.saliency_map`.

    Example:
        >>> images = torch.full((2, 3, 96, 96), 200, dtype=torch.uint8)
        >>> images[:, :, 40:56, 32:48] = 60
        >>> maps = spectral_residual_saliency(images)
        >>> maps.shape, bool(maps[0, 0, 40:56, 32:48].mean() > 2 * maps[0, 0].mean())
        (torch.Size([2, 1, 96, 96]), True)
    """
    levels, is_finite = as_levels(images, mean, std)
    # In double, so that the grey of the small image is rounded the same way everywhere.
    grey = grey_of_levels(levels).to(torch.float64).unsqueeze(1)
    small = (F.interpolate(grey, (GRID, GRID), mode="bilinear") + 0.5).floor()
    saliency = _gaussian(_residual_magnitude(small)).square()
    is_flat = small.amax((2, 3), keepdim=True) == small.amin((2, 3), keepdim=True)
    saliency = torch.where(is_flat, 0.0, saliency / saliency.amax((2, 3), keepdim=True)).to(torch.float32)
    full = F.interpolate(saliency, images.shape[-2:], mode="bilinear").clamp(0, 1)
    return torch.where(is_finite.unsqueeze(1), full, torch.nan)


def _residual_magnitude(grey: Tensor) -> Tensor:
    """Magnitude of the residual spectrum taken back to the image, [B,1,64,64]; its scale has no meaning."""
    real, imaginary = _transform(grey, torch.zeros_like(grey))
    amplitude = torch.hypot(real, imaginary)
    log_amplitude = torch.log1p(amplitude)
    expected = F.avg_pool2d(F.pad(log_amplitude, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    gain = torch.exp(log_amplitude - expected) / amplitude.clamp(min=NO_PHASE)
    # The conjugate's forward transform has the magnitude of the inverse transform, but for a factor.
    return torch.hypot(*_transform(real * gain, -imaginary * gain))


def _transform(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """Two-dimensional Fourier transform [..., 64, 64] by matrices: the compiler has no complex numbers."""
    at = torch.arange(GRID, device=real.device)
    angle = (at.unsqueeze(1) * at % GRID).to(real.dtype) * (2 * torch.pi / GRID)
    cos, sin = angle.cos(), angle.sin()
    real, imaginary = real @ cos + imaginary @ sin, imaginary @ cos - real @ sin
    return cos @ real + sin @ imaginary, cos @ imaginary - sin @ real


def _gaussian(maps: Tensor) -> Tensor:
    """5x5 Gaussian, borders reflected without the edge."""
    at = torch.arange(-2, 3, dtype=maps.dtype, device=maps.device)
    weights = torch.exp(-at.square() / (2 * SIGMA**2))
    weights = weights / weights.sum()
    padded = F.pad(maps, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, 5)), weights.view(1, 1, 5, 1))


class SpectralResidualSaliency(Module):
    """Spectral residual saliency as a module: :func:`spectral_residual_saliency` with the normalisation stored.

    Args:
        mean: per-channel mean of the normalised images, or None for uint8 and [0, 1] images.
        std: per-channel standard deviation of the normalised images, or None.

    Shape:
        images [B, 3, H, W] -> [B, 1, H, W], float32 in [0, 1], without gradient.

    Example:
        >>> SpectralResidualSaliency()(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(self, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> None:
        super().__init__()
        self.mean, self.std = check_normalisation(mean, std)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to saliency [B, 1, H, W]."""
        return spectral_residual_saliency(images, self.mean, self.std)

    def extra_repr(self) -> str:
        """Show the stored normalisation."""
        return f"mean={self.mean}, std={self.std}"
