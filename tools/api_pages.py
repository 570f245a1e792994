"""The pages of the API reference, made from `__all__`: a new public name has its place without an edit here."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parents[1] / "src" / "longtail_mix"

# Where a reader imports a name from, when several modules offer it: the first that does.
_FIRST = ("longtail_mix", "longtail_mix.functional")
TITLES = {
    "class_groups": "Many, medium, few",
    "color_constancy": "Colour constancy",
    "data": "Data",
    "feature_queue": "Feature queue",
    "functional": "Functional",
    "losses": "Losses",
    "metrics": "Metrics",
    "mixing": "Mixing",
    "momentum": "Momentum",
    "preview": "Preview",
    "regions": "Regions",
    "saliency": "Saliency",
    "sampling": "Sampling",
    "schedule": "Schedules",
    "targets": "Mixed labels",
    "visualize": "Figures",
    "weighting": "Weighting",
}


def public_modules() -> list[str]:
    """The modules with an `__all__` that a reader imports from: the front door first, then the rooms by name."""
    rooms = [path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = [f"longtail_mix.{room}" for room in sorted(rooms) if not room.startswith("_")]
    others = [name for name in names if name not in _FIRST and hasattr(importlib.import_module(name), "__all__")]
    return [*_FIRST, *others]


def public_names() -> dict[str, list[str]]:
    """For each room the full names to document, each object once."""
    pages: dict[str, list[str]] = {}
    seen: set[int] = set()
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in sorted(module.__all__, key=str.lower):
            value = getattr(module, name)
            if name.startswith("_") or isinstance(value, ModuleType) or id(value) in seen:
                continue
            seen.add(id(value))
            pages.setdefault(_room(value, module_name), []).append(f"{module_name}.{name}")
    return dict(sorted(pages.items()))


def _room(value: object, module_name: str) -> str:
    """The room that a function or class is made in; functions have a page of their own only where that is theirs."""
    home = getattr(value, "__module__", module_name)
    home = home if home.startswith("longtail_mix.") else module_name
    return home.split(".")[1] if "." in home else "longtail_mix"


def page_of(room: str, names: list[str]) -> str:
    """The page of one room in Markdown."""
    title = TITLES.get(room, room)
    return "\n".join([f"# {title}", "", *(f"::: {name}\n" for name in names)])
