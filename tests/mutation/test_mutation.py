"""The mutation tool itself: what it changes, what it leaves alone, and that a change reaches the tests."""

import ast

import pytest

from tests.mutation.named import NAMED
from tests.mutation.sites import sites
from tests.mutation.targets import TARGETS, files, module_name, relevant

CODE = '''
"""A module of 3 words."""
Kind = int | str


def f(x: int = 2, flag: bool = True) -> float:
    if x < 0:
        raise ValueError(f"x: expected {1 + 1}, got {x}")
    check_x(x, 0)
    return -x.clamp(min=0) + max(x, g(x, flag)) * 0.5 if flag and x != 3 else 0.0
'''


def changed(code):
    out = []
    for number in range(len(sites(ast.parse(code)))):
        tree = ast.parse(code)
        sites(tree)[number].make()
        out.append(ast.unparse(tree))
    return out


def test_every_change_is_another_module_that_parses():
    own = ast.unparse(ast.parse(CODE))
    found = changed(CODE)
    assert len(set(found)) == len(found)
    assert own not in found
    for part in (
        *(
            "x: int=3",
            "flag: bool=False",
            "return x.clamp(min=0) +",
            "-x.clamp(min=1)",
            "-x +",
            "min(x, g",
            "max(x, g(flag, x))",
        ),
        *("- max(", ") / 0.5", "* 1.0", "flag or x", "x == 3", "x != 4", "else 1.0", "0.0 if flag"),
    ):
        assert sum(part in text for text in found) == 1, part
    assert len(found) == 15


def test_unions_texts_and_checks_are_left_alone():
    for text in changed(CODE):
        assert "Kind = int | str" in text
        assert "expected {1 + 1}" in text
        assert "check_x(x, 0)" in text
        assert "x < 0" in text


def test_every_target_has_tests_and_a_name():
    for part in TARGETS:
        paths = files(part)
        assert len(paths) > 20
        for path in paths:
            assert relevant(path), path
    names = {module_name(path) for part in TARGETS for path in files(part)}
    assert {"longtail_mix.mixing.guided.lsm", "reproduction.methods.lsm", "care"} <= names


@pytest.mark.parametrize("what", NAMED)
def test_a_named_change_can_be_made(what):
    NAMED[what].tree()
