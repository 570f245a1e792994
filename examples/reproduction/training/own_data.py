"""A program's study on your own images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reproduction.data.own import Folder, Table
from reproduction.training.study import Study


def own_data(study: Study, methods: tuple[str, ...] | None = None) -> dict[str, tuple[str, Study]]:
    """Two forms: a folder for each class, under ``--data.root``; and a CSV file, ``--data.file``.

    Args:
        study: as the program does it on real images.
        methods: which are trained; default: the study's.
    """
    chosen = study.methods if methods is None else methods
    folder = replace(study, data=Folder(Path("data")), methods=chosen, out=study.out.with_name("folder"))
    table = replace(folder, data=Table(Path("data/table.csv")), out=study.out.with_name("table"))
    return {"folder": ("your images, a folder for each class", folder), "table": ("your images, by a CSV file", table)}
