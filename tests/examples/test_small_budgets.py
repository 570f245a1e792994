"""The smallest budget, one step, trains, also where parts of a method are shares of it."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest

from reproduction.training.run_study import run_study
from tests.examples.program_runs import BATCH, small

# Those with a second stage, an epoch at which something starts, a pace.
ROWS = [
    "compare:crt+other-skin-tone",
    "spmix:mislas",
    "care:csl+care",
    "lsm:ce-drw+lsm",
    "lsm:bbn",
]


@pytest.mark.parametrize("row", ROWS)
def test_one_step(row, tmp_path):
    program, method = row.split(":")
    study = small(program, method, tmp_path)
    one_step = replace(study, recipe=replace(study.recipe, images=BATCH))
    judged = run_study(one_step, import_module(program).ROWS)
    assert [one.name for one in judged] == [method]
    assert all(one.facts["losses"] for one in judged)
