"""What a call may do: a finite valid result, inputs untouched; or an error that begins with an argument's name."""

from __future__ import annotations

import inspect
import re
import resource
import signal
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import longtail_mix as lm
from tests.fuzz.batch import Batch
from tests.fuzz.calls import call, draw_arguments, methods_of, mutate, parameters_of

SECONDS = 10
GIGABYTES = 2
PACKAGE = str(Path(lm.__file__).parent)

# Beside ValueError and TypeError, where the documentation says so.
MAY_RAISE: dict[str, tuple[type[Exception], ...]] = {
    **dict.fromkeys(("load_images", "load_masks"), (FileNotFoundError, RuntimeWarning)),
    **dict.fromkeys(
        ("read_isic2017", "read_isic2018", "read_isic2018_test", "read_folder", "read_table"), (FileNotFoundError,)
    ),
    **dict.fromkeys(("MixInside", "ClassAttention", "GradCAM", "MomentumPair"), (RuntimeError,)),
}
# NaN where there is nothing to measure, as documented.
MAY_BE_NAN = {
    *("saliency_auroc", "best_threshold_iou", "auroc_and_iou", "SaliencyAUROC", "BestThresholdIoU"),
    *("mix_fidelity", "MixFidelity", "GroupAccuracy"),
    *("clamp_to_range", "ClampToRange"),  # "NaN stays NaN"
    *("to_blocks", "from_blocks"),  # values are moved, whatever they are
}
# NaN, infinity or overflow in what a network gives comes out again, as with torch's own losses (CONTRIBUTING.md).
NETWORK_OUTPUTS = {
    "weight",
    "logits",
    "losses",
    "queries",
    "keys",
    "queue",
    "prototypes",
    "features",
    "classification",
    "attention",
}
UNIT = re.compile(
    r"^(?!mean_sal|merged|Merged|saliency_mix|SaliencyMix).*(saliency|Saliency)|_ratio$|Ratio$|^lesion_probability$|GradCAM|_cam$|class_activation_map|_weight$|draw_lam"
)


@dataclass
class Finding(Exception):  # noqa: N818 (a finding is what it is called everywhere here)
    """A call that broke the contract."""

    name: str
    kind: str
    place: str
    detail: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.name, self.kind, self.place


def check_call(name: str, thing: Any, batch: Batch) -> str:
    """Draw a call of `name`, make it, and hold it to the contract: "result" or "refused", or raise a Finding."""
    methods = methods_of(name, thing)
    arguments = draw_arguments(name, thing, batch)
    names = {*parameters_of(name, thing)}
    parts: list[dict[str, Any]] = [arguments]
    if methods:
        method = batch.pick(*methods)
        where = f"{name}.{method}"
        signature_of = getattr(thing, method)
        later = draw_arguments(where, signature_of, batch)
        names |= {*parameters_of(where, signature_of)}
        parts.append(later)
        mutate(batch.pick(arguments, later, later), batch)
    else:
        mutate(arguments, batch)
    before = [_snapshot(value) for part in parts for value in _leaves(part)]

    def make() -> Any:
        if not methods:
            return call(thing, arguments)
        made = call(thing, arguments)
        if isinstance(made, nn.Module):
            made = made.to(batch.device)
        if hasattr(made, "__enter__"):
            with made:
                return call(getattr(made, method), later)
        result = call(getattr(made, method), later)
        return made.compute() if hasattr(made, "compute") else result

    described = "; ".join(_describe(part) for part in parts)
    refused = True
    try:
        with _limited(), warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("error")
            result = make()
        refused = False
    except Exception as error:
        given = [value for part in parts for value in _leaves(part)]
        for value in given:
            names |= _names_of(value)
        if "saliency" in names or name == "spmix":
            names.add("images")  # the default detector speaks of what it is given
        _check_error(name, error, names, [v for v in given if isinstance(v, str | Path) and str(v)], described)
    for path, (value, kept) in zip((p for part in parts for p in part), before, strict=False):
        if not _same(value, kept):
            raise Finding(name, "input changed", path, described)
    if refused:
        return "refused"
    _check_result(name, result, parts, described)
    return "result"


def _names_of(value: Any) -> set[str]:
    """The arguments of a module or a function that was given to be called: it speaks of them by its own names."""
    if isinstance(value, nn.Module):
        inner = set().union(*(_names_of_call(part) for part in value.modules()))
        return inner | {"labels", "target"} if inner else inner
    return _names_of_call(value) if inspect.isfunction(value) else set()


def _names_of_call(value: Any) -> set[str]:
    return set(inspect.signature(value.forward if isinstance(value, nn.Module) else value).parameters)


def _check_error(name: str, error: Exception, names: set[str], paths: list[Any], described: str) -> None:
    if isinstance(error, Finding):
        raise error
    if isinstance(error, MAY_RAISE.get(name, ())):
        return
    message = str(error)
    if isinstance(error, MemoryError) or any(
        words in message for words in ("can't allocate memory", "Storage size calculation overflowed", "bad_alloc")
    ):
        return  # the size that an option asked for
    place = _place(error)
    if not isinstance(error, (ValueError, TypeError)):
        raise Finding(name, type(error).__name__, place, f"{message[:300]} <- {described}")
    if any(message.startswith(f"{path}") for path in paths):
        return  # a reader's message begins with the file
    begins = re.match(r"((?:\w+(?:\[[^]]*\])?)(?:, \w+)*): ", message)
    said = {re.sub(r"\[.*", "", word) for word in begins[1].split(", ")} if begins else set()
    if not said or not said <= names:
        raise Finding(
            name, f"{type(error).__name__} without the argument's name", place, f"{message[:300]} <- {described}"
        )


def _place(error: BaseException) -> str:
    """Where in the package it came from: the innermost of its frames."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(PACKAGE)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "outside"


def _check_result(name: str, result: Any, parts: list[dict[str, Any]], described: str) -> None:
    for value in _leaves(result):
        if isinstance(value, float) and value != value and name not in MAY_BE_NAN:
            raise Finding(name, "NaN", "result", described)
        if isinstance(value, np.ndarray):
            raise Finding(name, "a NumPy array", "result", described)
        if isinstance(value, Tensor) and value.layout is not torch.strided:
            raise Finding(name, "a sparse tensor", "result", described)
        if not isinstance(value, Tensor) or value.device.type == "meta" or not value.numel():
            continue
        if not value.is_floating_point():
            continue
        values = value.detach().double()
        if not values.isfinite().all() and name not in MAY_BE_NAN and not _may_overflow(parts):
            raise Finding(name, "NaN or infinity", "result", described)
        if UNIT.search(name) and not ((values >= 0) & (values <= 1) | values.isnan()).all():
            raise Finding(name, "outside [0, 1]", "result", f"{values.min()} to {values.max()} <- {described}")
    for value in _mixed_targets(result):
        if value.lam.device.type != "meta" and not ((value.lam >= 0) & (value.lam <= 1)).all():
            raise Finding(name, "lam outside [0, 1]", "result", described)
        if value.lam.device.type != "meta":
            try:
                value.check()
            except (TypeError, ValueError) as error:
                raise Finding(name, "a target that cannot be used", "result", f"{error} <- {described}") from error


def _may_overflow(parts: list[dict[str, Any]]) -> bool:
    """Whether a network's output is given that is not finite, or large enough for a sum or a square to overflow."""
    for part in parts:
        for argument, value in part.items():
            if argument in NETWORK_OUTPUTS:
                for leaf in _leaves(value):
                    if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.device.type != "meta":
                        large = torch.finfo(leaf.dtype).max ** 0.5 / 100 if leaf.dtype.itemsize > 1 else 1.0
                        if not leaf.numel() or not (leaf.detach().double().abs() < large).all():
                            return True
    return False


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _mixed_targets(value: Any) -> Iterator[Any]:
    if isinstance(value, lm.MixedTarget):
        yield value
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _mixed_targets(inner)


def _snapshot(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Tensor) and value.layout is torch.strided:
        return value, value.detach().clone()
    if isinstance(value, np.ndarray):
        return value, value.copy()
    return value, None


def _same(value: Any, kept: Any) -> bool:
    if kept is None or (isinstance(value, Tensor) and value.device.type == "meta"):
        return True
    if isinstance(value, np.ndarray):
        return bool(np.array_equal(value, kept, equal_nan=value.dtype.kind == "f"))
    now = value.detach()
    return now.shape == kept.shape and now.dtype == kept.dtype and bool(((now == kept) | (now != now)).all())


def _describe(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in arguments.items())


def _short(value: Any) -> str:
    if isinstance(value, lm.MixedTarget):
        return f"MixedTarget{tuple(map(_short, value))}"
    if isinstance(value, Tensor):
        where = "" if value.device.type == "cpu" else f" {value.device}"
        text = f"{str(value.dtype)[6:]}{list(value.shape)}{where}"
        if value.device.type == "cpu" and value.layout is torch.strided and value.numel() and not value.is_complex():
            lowest, highest = value.detach().double().aminmax()
            text += f"={value.tolist()}" if value.numel() <= 4 else f"({lowest:.3g}..{highest:.3g})"
        return text
    text = f"{type(value).__name__}:{value!r}" if isinstance(value, np.generic) else repr(value)
    return text.replace("\n", " ")[:120]


class _limited:  # noqa: N801 (used as a function)
    """Stop what takes longer than SECONDS: nothing here is large."""

    def __enter__(self) -> None:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            raise Finding("", f"longer than {SECONDS} s", "", "")

        # What is mapped now and GIGABYTES more: a mistaken size fails at once instead of filling the machine.
        self.memory = resource.getrlimit(resource.RLIMIT_AS)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + GIGABYTES * 2**30, self.memory[1]))
        self.before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, self.memory)
        signal.signal(signal.SIGALRM, self.before)
