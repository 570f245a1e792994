import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from PIL import Image

from longtail_mix.data import (
    center_crop_square,
    isic2018_masks,
    load_images,
    load_masks,
    read_isic2018,
    squash,
)

SIZES = [(40, 30), (30, 40), (33, 33), (7, 5), (61, 20)]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Five noise images of odd shapes."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "in" / f"{i}.{'jpg' if i % 2 else 'png'}" for i in range(len(SIZES))]
    paths[0].parent.mkdir()
    for path, (width, height) in zip(paths, SIZES, strict=True):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "made" / "cache"


def load(files: list[Path], cache: Path, size: int = 16, fit=center_crop_square) -> torch.Tensor:
    return load_images(files, size, fit, cache, progress=False)


def only(cache: Path) -> Path:
    (file,) = cache.iterdir()
    return file


def flipped(image: Image.Image, size: int) -> Image.Image:
    """A fit of a user's own."""
    return squash(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), size)


def too_small(image: Image.Image, size: int) -> Image.Image:
    return image.resize((size, size - 1))


def grey(image: Image.Image, size: int) -> Image.Image:
    return squash(image, size).convert("L")


def failing(_image: Image.Image, _size: int) -> Image.Image:
    raise ZeroDivisionError("a fit's own mistake")


def test_squash_is_a_plain_resize(files: list[Path], cache: Path) -> None:
    images = load(files, cache, 16, squash)
    assert images.shape == (5, 3, 16, 16)
    assert images.dtype == torch.uint8
    for path, got in zip(files, images, strict=True):
        expected = np.asarray(Image.open(path).convert("RGB").resize((16, 16), Image.Resampling.BICUBIC))
        assert np.array_equal(got.permute(1, 2, 0).numpy(), expected)


def test_center_crop_is_the_largest_central_square(files: list[Path], cache: Path) -> None:
    first, second = load(files[:2], cache, 30)
    wide, high = (np.asarray(Image.open(path)) for path in files[:2])
    # The squares are 30x30 already, so that nothing is resized.
    assert np.array_equal(first.permute(1, 2, 0).numpy(), wide[:, 5:35])
    assert np.array_equal(second.permute(1, 2, 0).numpy(), high[5:35])


def test_resizing_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    inner = np.asarray(center_crop_square(Image.fromarray(stripes), 8))[:, 1:-1]
    assert abs(inner.astype(int) - 127).max() < 6


def test_images_of_other_modes(tmp_path: Path, cache: Path) -> None:
    paths = []
    for mode, color in (("L", 90), ("RGBA", (90, 90, 90, 255)), ("P", 0), ("CMYK", (0, 0, 0, 165))):
        image = Image.new(mode, (9, 9), color)
        if mode == "P":
            image.putpalette([90, 90, 90])
        paths.append(tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}")
        image.save(paths[-1])
    assert torch.equal(load(paths, cache, 4), torch.full((4, 3, 4, 4), 90, dtype=torch.uint8))


def test_the_cache_is_used_and_equal(files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = load(files, cache)
    file = only(cache)
    monkeypatch.setattr(Image, "open", None)  # Decoding again would fail.
    for names in (files, [str(path) for path in files]):
        assert torch.equal(load(names, cache), made)
    assert only(cache) == file


def test_the_same_images_elsewhere_share_the_cache(files: list[Path], cache: Path) -> None:
    made = load(files, cache)
    moved = files[0].parent.rename(files[0].parent.with_name("elsewhere"))
    assert torch.equal(load([moved / path.name for path in files], cache), made)
    only(cache)


def test_writing_to_a_cached_tensor_leaves_the_cache(files: list[Path], cache: Path) -> None:
    made = load(files, cache)
    load(files, cache).zero_()
    assert torch.equal(load(files, cache), made)


def test_size_fit_order_and_number_have_caches_of_their_own(files: list[Path], cache: Path) -> None:
    base = load(files, cache)
    assert load(files, cache, 8).shape[-1] == 8
    assert not torch.equal(load(files, cache, fit=squash), base)
    assert torch.equal(load(files, cache, fit=flipped), load(files, cache, fit=squash).flip(-1))
    assert torch.equal(load(files[::-1], cache), base.flip(0))
    assert torch.equal(load(files[:3], cache), base[:3])
    assert torch.equal(load([files[0], *files], cache)[1:], base)
    assert len(list(cache.iterdir())) == 7


def test_a_changed_file_is_noticed(files: list[Path], cache: Path) -> None:
    load(files, cache)
    before = files[2].stat()
    Image.new("RGB", (33, 33), (1, 2, 3)).save(files[2])
    os.utime(files[2], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load(files, cache)[2, :, 5, 5].tolist() == [1, 2, 3]


def test_an_edited_fit_is_noticed(files: list[Path], cache: Path) -> None:
    def version(body: str):
        names: dict[str, object] = {"__name__": "notebook"}
        exec(f"def fit(image, size):\n    return {body}", names)
        return names["fit"]

    first = load(files, cache, fit=version("image.resize((size, size))"))
    turned = load(files, cache, fit=version("image.rotate(180).resize((size, size))"))
    quarter = load(files, cache, fit=version("image.rotate(90).resize((size, size))"))
    assert not torch.equal(first, turned)
    assert not torch.equal(turned, quarter)
    assert torch.equal(load(files, cache, fit=version("image.resize((size, size))")), first)
    assert len(list(cache.glob("*.pt"))) == 3


def damage_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        damage_middle,
        lambda file: file.write_bytes(file.read_bytes()[:-1000]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"not a tensor"),
        lambda file: torch.save([1, 2], file),
        lambda file: torch.save({"tensor": torch.zeros(5, 3, 16, 15), "crc32": crc32(bytes(14400))}, file),
        lambda file: torch.save({"tensor": "none", "crc32": 0}, file),
    ],
)
def test_a_damaged_cache_is_made_again_with_a_warning(files: list[Path], cache: Path, damage) -> None:
    made = load(files, cache)
    damage(only(cache))
    with pytest.warns(RuntimeWarning, match=r"\.pt: damaged, made again"):
        again = load(files, cache)
    assert torch.equal(again, made)
    assert torch.equal(load(files, cache), made)  # And now without a warning.


def test_a_cache_that_cannot_be_written(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(RuntimeWarning, match="the cache cannot be written"):
        images = load(files, tmp_path / "file" / "cache")
    assert images.shape == (5, 3, 16, 16)


def test_nothing_is_left_where_writing_breaks_off(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise RuntimeError("no space left")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.warns(RuntimeWarning, match="no space left"):
        load(files, cache)
    assert list(cache.iterdir()) == []


def test_default_cache_dir(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load_images(files, 8, progress=False)
    assert only(tmp_path / "xdg" / "longtail_mix").suffix == ".pt"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    load_images(files, 8, progress=False)
    assert only(tmp_path / "home" / ".cache" / "longtail_mix").suffix == ".pt"


def test_damaged_images_are_collected(files: list[Path], cache: Path) -> None:
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(files[1].read_bytes()[: files[1].stat().st_size // 2])
    files[3].write_bytes(b"")
    files[4].write_text("hello")
    with pytest.raises(ValueError, match="4 of 5 files cannot be read, the first: ") as caught:
        load(files, cache)
    for i in (0, 1, 3, 4):
        assert f"{files[i]} (" in str(caught.value)
    assert str(files[2]) not in str(caught.value)
    assert not cache.exists()


def test_many_offenders_are_counted_and_five_are_named(files: list[Path], cache: Path) -> None:
    lost = [files[0].with_name(f"lost{i}.jpg") for i in range(7)]
    with pytest.raises(FileNotFoundError, match="7 of 12 files are missing, the first: ") as caught:
        load([*files, *lost], cache)
    assert [str(path) in str(caught.value) for path in lost] == [True] * 5 + [False] * 2
    with pytest.raises(ValueError, match="1 of 2 files cannot be read"):
        load([files[0], files[0].parent], cache)


def test_no_images(cache: Path) -> None:
    for _ in range(2):
        assert load([], cache, 4).shape == (0, 3, 4, 4)


def test_bad_arguments(files: list[Path], cache: Path) -> None:
    for path in (files[0], str(files[0])):
        with pytest.raises(TypeError, match="paths: expected a sequence of paths, got the single path"):
            load_images(path, 8)
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        load(files, cache, 0)
    with pytest.raises(TypeError, match=r"size: expected a whole number, got 8.0"):
        load(files, cache, 8.0)
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"):
        load_images(files, 8, cache_dir=cache, workers=0)

    def local(image: Image.Image, size: int) -> Image.Image:
        return squash(image, size)

    for fit in (local, lambda image, size: squash(image, size), partial(squash), "squash"):
        with pytest.raises(TypeError, match="fit: expected a function at the top of a module"):
            load(files, cache, fit=fit)
    with pytest.raises(ValueError, match="fit: expected a 16x16 image in mode RGB, got 16x15 in mode RGB"):
        load(files, cache, fit=too_small)
    with pytest.raises(ValueError, match="fit: expected a 16x16 image in mode RGB, got 16x16 in mode L"):
        load(files, cache, fit=grey)
    with pytest.raises(ZeroDivisionError, match="a fit's own mistake"):
        load(files, cache, fit=failing)
    assert not cache.exists()


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(files: list[Path], tmp_path: Path, workers: int) -> None:
    expected = load(files, tmp_path / "a")
    got = load_images(files, 16, cache_dir=tmp_path / "b", workers=workers, progress=False)
    assert torch.equal(got, expected)


def test_progress_is_shown_when_asked_for(files: list[Path], cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_images(files, 8, cache_dir=cache, progress=False)
    assert capsys.readouterr().err == ""
    load_images(files, 9, cache_dir=cache)
    shown = capsys.readouterr().err
    assert "reading" in shown
    assert "decoding" in shown
    assert "5/5" in shown


def test_masks(tmp_path: Path, cache: Path) -> None:
    values = np.zeros((30, 40), np.uint8)
    values[10:20, 5:15] = 255
    paths = [tmp_path / "grey.png", tmp_path / "bits.png", tmp_path / "empty.png"]
    Image.fromarray(values).save(paths[0])
    Image.fromarray(values > 0).save(paths[1])
    Image.fromarray(values * 0).save(paths[2])
    for _ in range(2):
        masks = load_masks(paths, 30, cache_dir=cache, progress=False)
        assert masks.dtype == torch.bool
        assert torch.equal(masks[0, 0], torch.from_numpy(values[:, 5:35] > 0))
        assert torch.equal(masks[1], masks[0])
        assert not masks[2].any()
    only(cache)


def test_masks_are_thresholded_at_half(tmp_path: Path, cache: Path) -> None:
    values = np.zeros((8, 8), np.uint8)
    values[:, :5] = 255  # of the two columns of four pixels, one whole and a quarter of the other
    Image.fromarray(values).save(tmp_path / "a.png")
    masks = load_masks([tmp_path / "a.png"], 2, squash, cache, progress=False)
    assert masks.tolist() == [[[[True, False], [True, False]]]]
    Image.fromarray(np.array([[127, 128], [0, 255]], np.uint8)).save(tmp_path / "b.png")
    masks = load_masks([tmp_path / "b.png"], 2, squash, cache, progress=False)
    assert masks.tolist() == [[[[False, True], [False, True]]]]


def test_masks_line_up_with_their_images(tmp_path: Path, cache: Path) -> None:
    disc = np.hypot(*(np.mgrid[:75, :100] - np.array([40, 30])[:, None, None])) < 20
    Image.fromarray(disc).save(tmp_path / "mask.png")
    Image.fromarray(disc[..., None].repeat(3, 2).astype(np.uint8) * 255).save(tmp_path / "image.png")
    for fit in (center_crop_square, squash, flipped):
        mask = load_masks([tmp_path / "mask.png"], 32, fit, cache, progress=False)
        image = load_images([tmp_path / "image.png"], 32, fit, cache, progress=False)
        assert torch.equal(mask, image[:, :1] > 127)


def test_masks_that_are_not_0_and_255(tmp_path: Path, cache: Path) -> None:
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "ones.png")
    with pytest.raises(ValueError, match=r"ones.png \(expected a mask of 0 and 255, got no value above 1\)"):
        load_masks([tmp_path / "ones.png"], 4, cache_dir=cache, progress=False)


def test_two_processes_may_make_one_cache_at_once(files: list[Path], cache: Path) -> None:
    """Two processes that make the same cache at once both get it right, and one file is left."""
    program = (
        "import sys; from longtail_mix.data import load_images;"
        "print(int(load_images(sys.argv[2:], 16, cache_dir=sys.argv[1], progress=False).sum()))"
    )
    command = [sys.executable, "-c", program, str(cache), *map(str, files)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sums = {process.communicate(timeout=120)[0].strip() for process in running}
    assert sums == {str(int(load(files, cache).sum()))}
    only(cache)


def test_real_images_and_masks(isic2018_root: Path, cache: Path) -> None:
    data = read_isic2018(isic2018_root)
    paths, masks = data.paths[::200], isic2018_masks(data)[::200]
    for _ in range(2):
        images = load_images(paths, 64, cache_dir=cache, progress=False)
        lesions = load_masks(masks, 64, cache_dir=cache, progress=False)
    assert images.shape == (51, 3, 64, 64)
    assert lesions.flatten(1).any(1).all()
    # Lesions are darker than the skin around them: that masks and images are of the same rows shows in nearly all.
    grey_values = images.float().mean(1, keepdim=True)
    inside = torch.stack([g[m].mean() for g, m in zip(grey_values, lesions, strict=True)])
    outside = torch.stack([g[~m].mean() for g, m in zip(grey_values, lesions, strict=True)])
    assert (inside < outside).float().mean() > 0.8


@pytest.mark.parametrize("load", [load_images, load_masks])
def test_grey_of_16_bits_is_scaled_and_not_cut_off(tmp_path, load):
    values = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "film.png")
    loaded = load([tmp_path / "film.png"], 2, cache_dir=tmp_path, progress=False)[0, 0]
    expected = torch.tensor([[0, 100], [200, 255]])
    assert torch.equal(loaded, expected.byte() if load is load_images else expected > 127)


def test_a_range_that_is_not_known_is_refused(tmp_path):
    Image.fromarray(np.array([[0.0, 7.5]], dtype=np.float32)).save(tmp_path / "map.tiff")
    with pytest.raises(ValueError, match="expected 8 or 16 bits a channel, got mode F, whose range is not known"):
        load_images([tmp_path / "map.tiff"], 2, cache_dir=tmp_path, progress=False)
