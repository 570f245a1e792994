"""Images and masks as one tensor: decoded in parallel, kept in a file that knows what it was made from."""

from __future__ import annotations

import builtins
import dis
import inspect
import os
import sys
import uuid
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from longtail_mix._checks import check_whole

__all__ = ["center_crop_square", "load_images", "load_masks", "squash"]

Fit = Callable[[Image.Image, int], Image.Image]
_Read = TypeVar("_Read")

_LARGEST_SIDE = 2**15

# Part of the key: raise it when the same files have to give another tensor than before.
_FORMAT = 2


def center_crop_square(image: Image.Image, size: int) -> Image.Image:
    """The largest square in the middle of `image`, resized to `size` x `size` (bicubic, antialiased).

    Example:
        >>> center_crop_square(Image.new("RGB", (600, 450)), 64).size
        (64, 64)
    """
    _check_image(image)
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return squash(image.crop((left, top, left + side, top + side)), size)


def squash(image: Image.Image, size: int) -> Image.Image:
    """The whole of `image` resized to `size` x `size` (bicubic, antialiased), whatever its shape was.

    Example:
        >>> squash(Image.new("RGB", (600, 450)), 64).size
        (64, 64)
    """
    _check_image(image)
    check_whole(size, "size", 1, _LARGEST_SIDE)
    return image.resize((int(size), int(size)), Image.Resampling.BICUBIC)


def _check_image(image: object) -> None:
    if not isinstance(image, Image.Image):
        raise TypeError(f"image: expected a PIL.Image.Image, got {type(image).__name__}")


def load_images(
    paths: Sequence[str | Path],
    size: int,
    fit: Fit = center_crop_square,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Tensor:
    """The images as one tensor, from the cache when the same files were loaded so before.

    The cache knows the files by their content, in their order, with `size` and all that decides what `fit` does. A
    changed, added, removed or reordered file makes a new cache file; a damaged cache file is made again with a
    warning. Nothing is ever deleted: remove the folder to get the space back. The values of a cached tensor lie
    in the file and are read as they are used; writing to the tensor does not change the file.

    Args:
        paths: N files that Pillow can read. 16-bit grey files are scaled to 8 bits by their full range (divided by
            257), whatever part of it they use: read films of 12 bits yourself.
        size: height and width of the result.
        fit: makes a `size` x `size` image out of an RGB one of any size, such as `center_crop_square` or
            `squash`. A function at the top of a module. The cache tells it by its name, its code with all code inside,
            its defaults, the plain values and functions that it uses (and those that they use), and the versions of the
            packages that it uses. A function that uses anything else cannot be told from an edited one, and is refused.
        cache_dir: folder of the cache, made when missing; None is ``longtail_mix`` in ``$XDG_CACHE_HOME`` or in
            ``~/.cache``. Where it cannot be written, a warning says so and the tensor is returned all the same.
        workers: threads; None is one for each processor.
        progress: whether to show progress bars.

    Returns:
        uint8 [N, 3, size, size], RGB.

    Raises:
        FileNotFoundError: some files are missing; the message has their number and the first five.
        ValueError: some files cannot be decoded (likewise) or have more than 8 bits a channel, or an argument is out
            of range.
        TypeError: `paths` is a single path, or `fit` is not a named function, or uses what the cache cannot tell.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (40, 30), (200, 0, 0)).save(f"{folder}/a.png")
        ...     images = load_images([f"{folder}/a.png"], 8, cache_dir=folder, progress=False)
        >>> images.shape, images[0, :, 0, 0].tolist()
        (torch.Size([1, 3, 8, 8]), [200, 0, 0])
    """
    return _load(paths, size, fit, cache_dir, workers, progress, _read_rgb, channels=3)


def load_masks(
    paths: Sequence[str | Path],
    size: int,
    fit: Fit = center_crop_square,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Tensor:
    """The lesion masks as one tensor; everything else is as in `load_images`.

    `fit` resizes the mask as a grey image, with the geometry it has for the image; a pixel of the result is
    set where at least half of it was.

    Args:
        paths: N one-channel files, 0 outside and 255 inside.
        size: height and width of the result.
        fit: see `load_images`; it gets images in mode ``L``.
        cache_dir: see `load_images`.
        workers: see `load_images`.
        progress: see `load_images`.

    Returns:
        bool [N, 1, size, size].

    Raises:
        FileNotFoundError: some files are missing; the message has their number and the first five.
        ValueError: some files cannot be decoded, have more than 8 bits a channel, or have no value above 127 though
            not all are 0 (likewise), or an argument is out of range.
        TypeError: `paths` is a single path, or `fit` is not a named function, or uses what the cache cannot tell.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (40, 30), 255).save(f"{folder}/a.png")
        ...     masks = load_masks([f"{folder}/a.png"], 8, cache_dir=folder, progress=False)
        >>> masks.shape, masks.dtype, bool(masks.all())
        (torch.Size([1, 1, 8, 8]), torch.bool, True)
    """
    grey = _load(paths, size, fit, cache_dir, workers, progress, _read_mask, channels=1)
    return grey > 127


def _load(
    paths: Sequence[str | Path],
    size: int,
    fit: Fit,
    cache_dir: str | Path | None,
    workers: int | None,
    progress: bool,
    read: Callable[[Path], Image.Image],
    channels: int,
) -> Tensor:
    """uint8 [N, channels, size, size], from the cache or made and put there."""
    if isinstance(paths, str | Path):
        raise TypeError(f"paths: expected a sequence of paths, got the single path {str(paths)!r}")
    if not isinstance(paths, Sequence) or not all(isinstance(path, str | Path) for path in paths):
        raise TypeError(f"paths: expected a sequence of paths, got {paths!r:.80}")
    if cache_dir is not None and not isinstance(cache_dir, str | Path):
        raise TypeError(f"cache_dir: expected a folder or None, got {cache_dir!r}")
    workers = (os.cpu_count() or 1) if workers is None else workers
    check_whole(size, "size", 1, _LARGEST_SIDE)
    check_whole(workers, "workers", 1, 1024)
    size, workers = int(size), int(workers)
    if not isinstance(progress, bool):
        raise TypeError(f"progress: expected True or False, got {progress!r}")
    if not inspect.isfunction(fit) or "<" in fit.__qualname__:
        raise TypeError(f"fit: expected a function at the top of a module, whose name can stand for it, got {fit!r}")
    files = [Path(path) for path in paths]
    shape = (len(files), channels, size, size)

    # Hashed at every load: names and times would not tell that a file has changed.
    hashes = [b""] * len(files)
    _read_all(files, _content_hash, hashes.__setitem__, workers, progress, "reading")
    key = blake2b(repr((_FORMAT, *_identity(fit))).encode(), digest_size=16)
    key.update(b"".join(hashes))
    folder = _default_cache_dir() if cache_dir is None else Path(cache_dir)
    cache = folder / f"{len(files)}x{channels}x{size}x{size}-{key.hexdigest()}.pt"
    cached = _read_cache(cache, shape)
    if cached is not None:
        return cached

    tensor = torch.empty(shape, dtype=torch.uint8)
    pixels = tensor.numpy()

    def keep(row: int, image: Image.Image) -> None:
        fitted = fit(image, size)
        if fitted.size != (size, size) or fitted.mode != image.mode:
            raise ValueError(
                f"fit: expected a {size}x{size} image in mode {image.mode}, "
                f"got {fitted.size[0]}x{fitted.size[1]} in mode {fitted.mode}"
            )
        pixels[row] = np.asarray(fitted).reshape(size, size, channels).transpose(2, 0, 1)

    _read_all(files, read, keep, workers, progress, "decoding")
    _write_cache(cache, tensor)
    return tensor


def _read_all(
    files: Sequence[Path],
    read: Callable[[Path], _Read],
    keep: Callable[[int, _Read], None],
    workers: int,
    progress: bool,
    doing: str,
) -> None:
    """``keep(i, read(files[i]))`` for each file in parallel; files that cannot be read are reported together."""

    def one(row: int) -> Exception | None:
        try:
            result = read(files[row])
        except Exception as error:  # Pillow's decoders raise nearly everything on damaged files.
            return error
        keep(row, result)
        return None

    with ThreadPoolExecutor(workers) as pool:
        outcomes = tqdm(pool.map(one, range(len(files))), doing, len(files), unit="file", disable=not progress)
        failures = [(file, error) for file, error in zip(files, outcomes, strict=True) if error is not None]
    missing = [str(file) for file, error in failures if isinstance(error, FileNotFoundError)]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(files)} files are missing, the first: {', '.join(missing[:5])}"
        )
    if failures:
        first = "; ".join(f"{file} ({error})" for file, error in failures[:5])
        raise ValueError(f"{len(failures)} of {len(files)} files cannot be read, the first: {first}")


def _identity(fit: FunctionType) -> tuple[object, ...]:
    """What tells one `fit` from another, and from what it was before it or something that it uses was edited."""
    told: list[object] = []
    seen: set[int] = set()

    def tell(value: Any) -> None:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | type(...)):
            told.append((type(value).__name__, repr(value)))
        elif isinstance(value, tuple | list):
            told.append((type(value).__name__, len(value)))
            for member in value:
                tell(member)
        elif isinstance(value, set | frozenset | dict):
            members = value.items() if isinstance(value, dict) else value
            tell((type(value).__name__, *sorted(members, key=repr)))  # the order of a set is not the same in every run
        elif isinstance(value, CodeType):
            told.append((value.co_code, value.co_names, value.co_varnames))
            tell(value.co_consts)
        elif isinstance(value, FunctionType):
            if id(value) not in seen:
                seen.add(id(value))
                tell_function(value)
        elif isinstance(value, ModuleType | type | BuiltinFunctionType):
            told.append(_installed(value))
        else:
            raise TypeError(f"fit: expected a function of plain values, functions and packages, got one with {value!r}")

    def tell_function(function: FunctionType) -> None:
        tell((function.__module__, function.__qualname__))
        if function.__closure__:
            raise TypeError(f"fit: expected functions at the top of a module, got {function.__qualname__}")
        tell((function.__code__, function.__defaults__, function.__kwdefaults__))
        for name in sorted(_globals_of(function.__code__)):
            if name in function.__globals__:
                tell((name, function.__globals__[name]))
            elif not hasattr(builtins, name):
                raise TypeError(f"fit: expected a function whose names are known, got one with {name!r}")

    tell_function(fit)
    return tuple(told)


def _globals_of(code: CodeType) -> set[str]:
    """The global names that code uses, in the functions inside it too."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return names.union(*(_globals_of(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _installed(thing: ModuleType | type | BuiltinFunctionType) -> tuple[str, str]:
    """A module, class or built-in function of an installed package: its name and the version of the package."""
    module = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__ or "builtins"
    package = sys.modules[module.partition(".")[0]]
    if package.__name__ in sys.stdlib_module_names:
        return f"{module} {thing.__name__}", sys.version
    version = getattr(package, "__version__", None)
    path = Path(getattr(package, "__file__", None) or "")
    if version is None or not {"site-packages", "dist-packages"} & set(path.parts):
        raise TypeError(f"fit: expected a function that uses installed packages with a version, got {thing!r}")
    return f"{module} {thing.__name__}", str(version)


def _content_hash(file: Path) -> bytes:
    return blake2b(file.read_bytes(), digest_size=16).digest()


def _read_rgb(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return _eight_bits(image).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as 8 bits; Pillow itself would cut it off at 255."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        grey = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"expected 8 or 16 bits a channel, got mode {image.mode}, whose range is not known")
    return image


def _read_mask(file: Path) -> Image.Image:
    with Image.open(file) as image:
        mask = _eight_bits(image).convert("L")
    most = np.asarray(mask).max()
    if 0 < most < 128:
        raise ValueError(f"expected a mask of 0 and 255, got no value above {most}")
    return mask


def _default_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "longtail_mix"


def _read_cache(cache: Path, shape: tuple[int, ...]) -> Tensor | None:
    """The tensor in `cache`, or None when there is none or it is damaged."""
    try:
        if not cache.exists():
            return None
    except OSError:  # a folder that cannot be entered cannot be written either, and then the warning says so
        return None
    try:
        content = torch.load(cache, weights_only=True, mmap=True)
        tensor: Tensor = content["tensor"]
        if tensor.shape == shape and content["crc32"] == _crc32(tensor):
            return tensor
        reason = "its content does not have the checksum it was written with"
    except Exception as error:  # A damaged file can fail anywhere in the zip, the pickle or the keys.
        reason = f"{type(error).__name__}: {error}"
    warnings.warn(f"{cache}: damaged, made again ({reason})", RuntimeWarning, stacklevel=4)
    return None


def _write_cache(cache: Path, tensor: Tensor) -> None:
    # Under another name first: nobody must ever see half a file, nor a mapped one change.
    unfinished = cache.with_name(f"{cache.stem}.{uuid.uuid4().hex}.tmp")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.save({"tensor": tensor, "crc32": _crc32(tensor)}, unfinished)
            os.replace(unfinished, cache)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        warnings.warn(f"{cache}: the cache cannot be written ({error})", RuntimeWarning, stacklevel=4)


def _crc32(tensor: Tensor) -> int:
    # torch.load leaves the checksums inside its own format unread.
    return zlib.crc32(tensor.numpy().data)
