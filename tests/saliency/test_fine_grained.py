"""SaliencyMap against a hand-written loop, against OpenCV, and on everything a user may hand it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from longtail_mix import SaliencyMap
from longtail_mix.functional import saliency_map
from longtail_mix.saliency import _fine_grained_cpu, fine_grained

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def random_bytes(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def saliency_by_hand(image: np.ndarray) -> np.ndarray:
    """One image [3,H,W] uint8, pixel by pixel, in Python numbers; window sums without an integral image."""
    _, height, width = image.shape
    red, green, blue = image.astype(int)
    grey = (3735 * blue + 19235 * green + 9798 * red + 2**14) >> 15

    def reflect(at: int, size: int) -> int:
        return 0 if size == 1 else abs(at) if at < size else 2 * size - 2 - at

    for _ in range(2):
        blurred = np.zeros_like(grey)
        for y in range(height):
            for x in range(width):
                total = 0
                for dy, wy in ((-1, 1), (0, 2), (1, 1)):
                    for dx, wx in ((-1, 1), (0, 2), (1, 1)):
                        total += wy * wx * grey[reflect(y + dy, height), reflect(x + dx, width)]
                blurred[y, x] = (total + 8) >> 4
        grey = blurred

    on, off = np.zeros((height, width)), np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            for n in (12, 24, 48, 28, 56, 112):
                window = grey[max(0, y - n + 1) : y + n + 1, max(0, x - n + 1) : x + n + 1]
                if window.size == 1:
                    continue
                others = np.float32(window.sum() - grey[y, x]) / np.float32(window.size - 1)
                difference = np.float32(grey[y, x]) - others
                on[y, x] += math.floor(max(difference, 0))
                off[y, x] += math.floor(max(-difference, 0))

    def to_bytes(sums: np.ndarray) -> np.ndarray:
        if sums.max() == 0:
            return np.zeros(sums.shape, int)
        return np.floor((sums.astype(np.float32) / np.float32(sums.max())).astype(np.float64) * 255).astype(int)

    return ((to_bytes(on) + to_bytes(off)) % 256).astype(np.float32) * np.float32(1 / 255)


def test_float32_gives_what_double_gives_for_every_sum_that_occurs():
    sums = torch.arange(6 * 255 + 1)
    for largest in range(1, 6 * 255 + 1):
        quotient = sums[: largest + 1].to(torch.float32) / largest
        assert torch.equal(quotient.mul(255).to(torch.uint8), quotient.double().mul(255).to(torch.uint8))


def by_opencv(cv2, image: np.ndarray) -> np.ndarray:
    """[3,H,W] uint8 RGB -> [H,W] float32."""
    ok, saliency = cv2.saliency.StaticSaliencyFineGrained_create().computeSaliency(
        np.ascontiguousarray(image[::-1].transpose(1, 2, 0))
    )
    assert ok
    return saliency


@pytest.fixture
def other_defaults():
    """What `torch.empty` makes where nobody says: float64 without values."""
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


def test_the_defaults_of_the_process_change_nothing(request):
    images = random_bytes(2, 3, 33, 20)
    expected = saliency_map(images)
    request.getfixturevalue("other_defaults")
    assert torch.equal(saliency_map(images), expected)
    assert torch.equal(fine_grained.reference(images, None, None), expected)


@pytest.mark.parametrize("size", [(1, 2), (5, 1), (7, 9), (26, 3), (15, 31)])
def test_equals_a_loop_over_pixels(size):
    image = random_bytes(3, *size)
    np.testing.assert_array_equal(saliency_map(image[None])[0, 0].numpy(), saliency_by_hand(image.numpy()))


def made_up(kind: str, height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flat = np.full((3, height, width), rng.integers(0, 256), np.uint8)
    if kind == "random":
        return rng.integers(0, 256, flat.shape, np.uint8)
    if kind == "step":
        flat[:, :, width // 2 :] = rng.integers(0, 256)
    if kind == "bright noise":  # sums far above 2^24 where the image is large
        return rng.normal(235, 15, flat.shape).clip(0, 255).astype(np.uint8)
    return flat


# Among them sizes at which one window more, or less, holds the whole image.
SIZES = [
    (1, 1),
    (1, 7),
    (9, 1),
    (2, 2),
    (3, 5),
    (13, 12),
    (24, 24),
    (31, 17),
    (32, 32),
    (49, 48),
    (112, 57),
    (113, 112),
]
SIZES += [(97, 211), (225, 223)]
LARGE = [(256, 256), (257, 256), (300, 400), (450, 600), (600, 450)]


@pytest.mark.parametrize("kind", ["random", "flat", "step", "bright noise"])
@pytest.mark.parametrize("size", SIZES + LARGE, ids=lambda s: f"{s[0]}x{s[1]}")
def test_equals_opencv_on_made_up_images(opencv, kind, size):
    images = np.stack([made_up(kind, *size, seed) for seed in range(3)])
    expected = np.stack([by_opencv(opencv, image) for image in images])
    batched = saliency_map(torch.from_numpy(images))
    np.testing.assert_array_equal(batched[:, 0].numpy(), expected)
    single = saliency_map(torch.from_numpy(images[1:2]))
    assert torch.equal(single, batched[1:2])


def test_equals_opencv_on_real_images(opencv, isic2018_root: Path):
    files = sorted((isic2018_root / "ISIC2018_Task3_Training_Input").glob("*.jpg"))[::30]
    assert len(files) >= 200
    images = np.stack([np.asarray(Image.open(f).convert("RGB").resize((224, 224))).transpose(2, 0, 1) for f in files])
    expected = np.stack([by_opencv(opencv, image) for image in images])
    differing = (saliency_map(torch.from_numpy(images))[:, 0].numpy() != expected).sum()
    assert differing == 0
    assert expected.std() > 0.1  # the judge saw something


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_float_and_normalised_images_equal_their_bytes(dtype, device):
    images = random_bytes(4, 3, 33, 20).to(device)
    expected = saliency_map(images)
    unit = images.to(dtype) / 255
    assert torch.equal(saliency_map(unit), expected)
    mean, std = (torch.tensor(v, dtype=dtype, device=device).view(3, 1, 1) for v in IMAGENET)
    assert torch.equal(SaliencyMap(*IMAGENET)((unit - mean) / std), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_images_are_rounded_once(dtype, device):
    images = torch.rand(2, 3, 24, 24, device=device).to(dtype)
    as_bytes = (images.float() * 255).round().to(torch.uint8)
    assert torch.equal(saliency_map(images), saliency_map(as_bytes))


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    batch=st.integers(0, 3),
    seed=st.integers(0, 2**31),
)
def test_invariants(height, width, batch, seed):
    images = random_bytes(batch, 3, height, width, seed=seed)
    before = images.clone()
    maps = saliency_map(images)
    assert maps.shape == (batch, 1, height, width)
    assert maps.dtype == torch.float32
    assert not maps.requires_grad
    assert ((maps >= 0) & (maps <= 1)).all()
    assert torch.equal(images, before)
    assert torch.equal(saliency_map(images.flip(0)), maps.flip(0))


@pytest.mark.parametrize("normalisation", [(None, None), IMAGENET], ids=["plain", "normalised"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (20, 30), (57, 31), (260, 255)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_passes_on_a_cpu_equal_the_reference_whatever_their_chunk(monkeypatch, size, normalisation):
    images = torch.rand(5, 3, *size) * 1.2 - 0.1  # overshoots
    images[3] = 0.5  # flat, after one that is not
    expected = fine_grained.reference(images, *normalisation)
    for number in (1, 2, 5):
        monkeypatch.setattr(_fine_grained_cpu, "_CHUNK", number * size[0] * size[1])
        assert torch.equal(saliency_map(images, *normalisation), expected)
        assert torch.equal(saliency_map(images.double(), *normalisation), expected)


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (50, 64)])
def test_flat_images_give_zeros(value, size, device):
    flat = torch.full((2, 3, *size), value, dtype=torch.uint8, device=device)
    assert torch.equal(saliency_map(flat), torch.zeros(2, 1, *size, device=device))


def test_memory_format_strides_and_grad_do_not_matter(device):
    images = torch.rand(3, 3, 30, 22, device=device)
    expected = saliency_map(images)
    assert torch.equal(saliency_map(images.to(memory_format=torch.channels_last)), expected)
    wide = torch.zeros(3, 3, 30, 44, device=device)
    wide[..., ::2] = images
    assert torch.equal(saliency_map(wide[..., ::2]), expected)
    assert not saliency_map(images.requires_grad_()).requires_grad


def test_autocast_changes_nothing(device):
    images = torch.rand(2, 3, 32, 32, device=device)
    expected = saliency_map(images)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(saliency_map(images), expected)


@pytest.mark.parametrize("size", [(40, 32), (260, 258)], ids=["exact", "row after row"])
def test_compiles_as_one_graph(size, device):
    images = random_bytes(2, 3, *size).to(device)
    compiled = torch.compile(saliency_map, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(images), saliency_map(images))


# torch 2.6 warns about a part of itself that its cache leaves out.
@pytest.mark.filterwarnings("ignore:Skipping serialization of skipfiles_inline_module_allowlist")
def test_inductor_keeps_every_pixel(device):
    images = torch.rand(3, 3, 64, 80, device=device)
    compiled = torch.compile(SaliencyMap(), fullgraph=True)
    assert torch.equal(compiled(images), saliency_map(images))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_bad_pixels_raise_where_values_can_be_read_and_show_elsewhere(bad):
    images = torch.rand(2, 3, 16, 16)
    images[1, 0, 3, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        saliency_map(images)
    maps = torch.compile(saliency_map, fullgraph=True, backend="aot_eager")(images)
    assert maps[1].isnan().all()
    assert torch.equal(maps[:1], saliency_map(images[:1]))


def test_tensors_without_values_have_a_shape():
    maps = saliency_map(torch.empty(2, 3, 8, 9, device="meta"))
    assert maps.device.type == "meta"
    assert maps.shape == (2, 1, 8, 9)


def test_a_little_overshoot_is_clamped():
    images = torch.rand(1, 3, 16, 16) * 1.2 - 0.1
    assert torch.equal(saliency_map(images), saliency_map(images.clamp(0, 1)))


BYTES = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("images", "mean", "std", "error", "message"),
    [
        ([1], None, None, TypeError, r"images: expected a torch.Tensor, got list"),
        (BYTES.int(), None, None, TypeError, r"uint8 or floating-point images, got torch.int32"),
        (BYTES[0], None, None, ValueError, r"expected RGB images \[B, 3, H, W\], got shape \[3, 8, 8\]"),
        (BYTES[:, :1], None, None, ValueError, r"got shape \[1, 1, 8, 8\]"),
        (BYTES[..., :0], None, None, ValueError, r"at least one pixel, got shape \[1, 3, 8, 0\]"),
        (BYTES, *IMAGENET, ValueError, r"expected None for uint8 images"),
        (BYTES.float() + 3, None, None, ValueError, r"values in \[0, 1\] \(normalised .* got 3 to 3"),
        (BYTES.float() + 1.3, None, None, ValueError, r"got 1.3 to 1.3"),
        (BYTES.float() - 0.3, None, None, ValueError, r"got -0.3 to -0.3"),
        (BYTES.float(), 0.5, 0.5, TypeError, r"mean: expected three numbers, got 0.5"),
        (BYTES.float(), [0.5] * 3, 0.5, TypeError, r"std: expected three numbers, got 0.5"),
        (BYTES.float() + 90, *IMAGENET, ValueError, r"values in \[0, 1\] after undoing mean and std"),
        (BYTES.float(), IMAGENET[0], None, ValueError, r"expected both or neither"),
        (BYTES.float(), [0.5], [0.5], ValueError, r"mean: expected three finite numbers, got \(0.5,\)"),
        (BYTES.float(), [0, 0, math.nan], [1, 1, 1], ValueError, r"mean: expected three finite numbers"),
        (BYTES.float(), [0, 0, 0], [1, 0, 1], ValueError, r"std: expected three positive numbers"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(images, mean, std, error, message):
    with pytest.raises(error, match=message):
        saliency_map(images, mean, std)


def test_the_module_checks_its_options_at_once_and_shows_them():
    with pytest.raises(ValueError, match="expected both or neither"):
        SaliencyMap(mean=[0.5, 0.5, 0.5])
    assert repr(SaliencyMap([0.5] * 3, [0.25] * 3)) == "SaliencyMap(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))"
