"""One call of a public name with drawn arguments: construct and call, or just call."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from tests.fuzz.arguments import ARGUMENTS, HERE
from tests.fuzz.batch import Batch
from tests.fuzz.mutations import mutated

MODULES = ("", ".functional", ".data", ".sampling", ".metrics", ".losses", ".weighting", ".visualize")

# Plain records hold what they are given; their methods or their users check it. An abstract class is met in its heirs.
NOT_CALLED = {
    "__version__": "a string",
    "functional": "a module",
    "CLASSES": "a tuple",
    "FILM_FINDINGS": "a tuple",
    "LESION_TYPES": "a tuple",
    "ClassGroups": "a record",
    "Isic2017": "a record that read_isic2017 makes",
    "Isic2018": "a record that read_isic2018 makes",
    "Split": "a record",
    "SyntheticDermoscopy": "a record",
    "SyntheticFilms": "a record",
    "IMAGE_SUFFIXES": "a tuple",
    "ImageTable": "a record that read_folder and read_table make",
    "MixRecord": "a record that a mix makes",
    "Pairs": "a record that a mix makes",
    "Scheduled": "Sometimes with a probability that follows the epoch",
    "Mix": "abstract: see MixUp and the other mixes",
    "isic2018_masks": "its one argument is the record that read_isic2018 makes",
    "EpochSampler": "abstract: see ShuffledSampler and ClassSampler",
}

# What is called of a class, where it is not `forward` alone (a metric: `update`).
METHODS: dict[str, tuple[str, ...]] = {
    "SPMix": ("forward", "forward", "pair", "ratio"),
    "HeadTailPairing": ("forward", "partners"),
    "BalancedPairing": ("forward", "partners"),
    "RandomPairing": ("forward", "partners"),
    "ShiftedPairing": ("forward", "partners"),
    "InverseFrequencyPairing": ("forward", "partners"),
    "FeatureQueue": ("push",),
    "MixedTarget": ("soft", "losses", "loss", "check"),
    "MixCollate": ("__call__",),
    "MomentumPair": ("update",),
    "Pace": ("forward", "count", "set_epoch"),
    "EpochSchedule": ("set_epoch",),
    "GradCAM": ("__call__", "maps", "logits_and_cam"),
    "MixInside": ("__call__", "within"),
    "ClassAttention": ("__call__",),
    "ProgressiveProbabilities": ("__call__",),
    "ShuffledSampler": ("rows", "set_epoch", "seek", "state_dict", "load_state_dict"),
    "ClassSampler": ("rows", "probabilities", "set_epoch", "seek", "load_state_dict"),
    "ResumableLoader": ("load_state_dict", "state_dict", "__len__"),
    "TwoStreamLoader": ("set_epoch", "__len__"),
}


def public_names() -> dict[str, Any]:
    """Every public name with what it stands for."""
    found: dict[str, Any] = {}
    for place in MODULES:
        module = importlib.import_module(f"longtail_mix{place}")
        found.update({name: getattr(module, name) for name in module.__all__})
    return found


def methods_of(name: str, thing: Any) -> tuple[str, ...]:
    """The methods to choose from, none for a function."""
    if not inspect.isclass(thing):
        return ()
    if name in METHODS:
        return METHODS[name]
    if hasattr(thing, "update") and hasattr(thing, "compute"):
        return ("update",)
    if issubclass(thing, nn.Module):
        return ("forward",)
    raise LookupError(f"{name}: say in METHODS of tests/fuzz/calls.py which of its methods are to be called")


def parameters_of(where: str, called: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters by name; raise where nobody says how to draw one."""
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(called).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD and name != "args"
    }
    unknown = [name for name in parameters if name not in HERE.get(where, {}) and name not in ARGUMENTS]
    if unknown:
        raise LookupError(f"{where}: say in tests/fuzz/arguments.py how {', '.join(unknown)} is drawn")
    return parameters


def draw_arguments(where: str, called: Callable[..., Any], batch: Batch) -> dict[str, Any]:
    """Valid arguments; those with a default are left out now and then."""
    arguments = {}
    for name, parameter in parameters_of(where, called).items():
        if parameter.default is not parameter.empty and not batch.often():
            continue
        arguments[name] = HERE.get(where, {}).get(name, ARGUMENTS.get(name))(batch)
    return arguments


def mutate(arguments: dict[str, Any], batch: Batch) -> None:
    """Make something odd or wrong of none, one or two of the arguments."""
    for _ in range(batch.pick(1, 1, 0, 1, 2, 0)):
        if arguments:
            name = batch.pick(*arguments)
            arguments[name] = mutated(arguments[name], batch)


def call(called: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call with the arguments by name, but for those that can only be given by position."""
    several = [
        name
        for name, parameter in inspect.signature(called).parameters.items()
        if parameter.kind is parameter.VAR_POSITIONAL and name in arguments
    ]
    if not several:
        return called(**arguments)
    (last,) = several
    parameters = inspect.signature(called).parameters
    keywords = {n: arguments[n] for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY and n in arguments}
    positional = [arguments[n] for n in parameters if n in arguments and n != last and n not in keywords]
    value = arguments[last]
    return called(*positional, *([] if value is None else [value]), **keywords)
