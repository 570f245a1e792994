"""Forms that every program offers on real images: ISIC 2018 in minutes, and your own images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reproduction.data.own import Folder, Table
from reproduction.training.study import Study

Forms = dict[str, tuple[str, Study]]


def short_form(study: Study, methods: tuple[str, ...]) -> Forms:
    """The same study in a few minutes on two cores, from images to report: it shows that all runs, not what is better.

    Args:
        study: as the program does it on ISIC 2018.
        methods: a few of its rows.
    """
    recipe = replace(study.recipe, images=1_600)
    short = replace(study, recipe=recipe, methods=methods, seeds=(0,), out=study.out.with_name("isic2018-short"))
    return {"isic2018-short": ("ISIC 2018 in minutes: 1,600 training images a method", short)}


def own_data(study: Study, methods: tuple[str, ...] | None = None) -> Forms:
    """Two forms: a folder for each class, under ``--data.root``; and a CSV file, ``--data.file``.

    Args:
        study: as the program does it on real images.
        methods: which are trained; default: the study's.
    """
    chosen = study.methods if methods is None else methods
    folder = replace(study, data=Folder(Path("data")), methods=chosen, out=study.out.with_name("folder"))
    table = replace(folder, data=Table(Path("data/table.csv")), out=study.out.with_name("table"))
    return {"folder": ("your images, a folder for each class", folder), "table": ("your images, by a CSV file", table)}
