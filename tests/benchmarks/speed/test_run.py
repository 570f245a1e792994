"""The command: what is measured, what is written when, and what is refused."""

import dataclasses
import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.speed import run as command
from benchmarks.speed.case import Case, Peer
from benchmarks.speed.check import DisagreementError, compare_with_reference, relative_error
from benchmarks.speed.inputs import maps, rotation
from benchmarks.speed.results import Results
from benchmarks.speed.timing import Plan
from benchmarks.speed.variants import EAGER, Variant

ABOUT = {"device": "cpu", "packages": {"torch": "2"}}
CPU = torch.device("cpu")
BRIEF = Plan(seconds=0.0, fewest=2, most=2, warm_up=1)


def maximum(name="maximum", **more):
    return Case(name, lambda: torch.maximum, maps(2), ((2, 1, 4, 4),), (torch.float32,), **more)


def broken(result):
    """A variant whose result is changed."""

    def wrap(operator):
        return lambda *inputs: result(operator(*inputs))

    return Variant("broken", EAGER.within, wrap, wrap)


def measured(tmp_path, *cases, variants=(EAGER,), **more):
    results = Results(tmp_path / "out.json", ABOUT)
    problems = [problem for case in cases for problem in case.problems()]
    command.measure_all(problems, variants, CPU, BRIEF, results, more.pop("stop_after", None), **more)
    return json.loads(results.path.read_text())


def test_the_command_writes_numbers_that_belong_together(tmp_path, capsys):
    out = tmp_path / "new" / "performance.json"
    options = ["--quick", "--device", "cpu", "--case", "merged", "--variant", "eager", "--out", str(out)]
    main(["run", *options])
    report = json.loads(out.read_text())
    assert report["finished"]
    assert report["about"]["device"] == "cpu"
    assert torch.__version__.startswith(report["about"]["packages"]["torch"])
    (record,) = report["records"]
    assert record["size"] == "16x1x224x224"
    assert record["floor_bytes"] == 3 * 16 * 224 * 224 * 4
    rows = {row["name"]: row for row in record["contenders"]}
    assert set(rows) == {"eager", "copy", "copy into new memory"}
    seconds = rows["eager"]["seconds"]
    assert 0 < seconds["first_quartile"] <= seconds["median"] <= seconds["third_quartile"]
    assert rows["eager"]["gb_per_s"] == pytest.approx(record["floor_bytes"] / seconds["median"] / 1e9)
    assert "merged  16x1x224x224  float32  forward" in capsys.readouterr().out
    assert out.with_suffix(".png").exists()


def test_a_selection_that_fits_nothing_is_said():
    with pytest.raises(SystemExit, match="no problem of the table fits"):
        main(["run", "--case", "no_such_case"])


@pytest.mark.parametrize(
    "result",
    [
        lambda x: x * 1.001,
        lambda x: torch.where(torch.arange(4) == 3, torch.nan, x),
        lambda x: x[:, :, :2],
        lambda x: x.double(),
        lambda x: (x, x),
        lambda x: torch.zeros_like(x),
    ],
    ids=["a thousandth off", "NaN", "half", "another dtype", "one more", "zeros"],
)
def test_a_variant_that_computes_something_else_gets_no_numbers(tmp_path, result, capsys):
    report = measured(tmp_path, maximum(), variants=(EAGER, broken(result)))
    assert report["records"] == []
    assert list(report["refused"]) == ["maximum 2x1x4x4 float32 forward"]
    assert "REFUSED: maximum 2x1x4x4" in capsys.readouterr().out


def test_the_command_fails_after_a_refusal_and_writes_the_others(tmp_path, monkeypatch):
    cases = (maximum(), maximum("wrong", peers=(Peer("off by one", lambda: torch.maximum, same=lambda x: x + 1),)))
    problems = [problem for case in cases for problem in case.problems()]
    monkeypatch.setattr(command, "selected", lambda _: problems)
    with pytest.raises(SystemExit, match="1 of 2 problems failed their check"):
        main(["run", "--quick", "--device", "cpu", "--variant", "eager", "--out", str(tmp_path / "x.json")])
    report = json.loads((tmp_path / "x.json").read_text())
    assert [record["case"] for record in report["records"]] == ["maximum"]
    assert "largest difference" in report["refused"]["wrong 2x1x4x4 float32 forward"]


def test_a_peer_that_computes_the_same_is_timed_and_the_difference_noted(tmp_path):
    peer = Peer("theirs", lambda: lambda a, b: [torch.max(a, b) + 1e-7], same=lambda x: x[0], tolerance=1e-6)
    (record,) = measured(tmp_path, maximum(peers=(peer,)))["records"]
    assert 0 < record["checks"]["theirs"] <= 1e-6
    assert record["contenders"][1]["name"] == "theirs"


def test_peers_that_are_missing_or_break_stop_nobody(tmp_path):
    def missing():
        raise ImportError("no such package")

    def breaks(*_):
        raise RuntimeError("not for these\nlong story")

    peers = (Peer("absent", missing), Peer("fragile", lambda: breaks), Peer("fine", lambda: torch.add))
    (record,) = measured(tmp_path, maximum(peers=peers))["records"]
    assert record["missing"] == {"absent": "no such package"}
    assert record["failed"] == {"fragile": "RuntimeError: not for these"}
    assert [row["name"] for row in record["contenders"]] == ["eager", "fine", "copy", "copy into new memory"]


def test_an_operator_that_needs_what_is_not_installed_is_skipped(tmp_path):
    def missing():
        raise ImportError("no kornia")

    report = measured(tmp_path, dataclasses.replace(maximum("needy"), build=missing), maximum())
    assert report["skipped"] == {"needy 2x1x4x4 float32 forward": "ImportError: no kornia"}
    assert [record["case"] for record in report["records"]] == ["maximum"]


def test_a_run_that_dies_leaves_what_it_measured(tmp_path):
    def dies():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, maximum(), dataclasses.replace(maximum("last"), build=dies))
    left = Results.read(tmp_path / "out.json")
    assert [record["case"] for record in left.records] == ["maximum"]
    assert not left.finished
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]  # no draft


def test_nothing_begins_after_the_time_is_over(tmp_path):
    ticks = iter([0.0, 1.0, 11.0])
    report = measured(tmp_path, maximum(), maximum("late"), stop_after=10.0, now=lambda: next(ticks))
    assert [record["case"] for record in report["records"]] == ["maximum"]
    assert report["skipped"] == {"late 2x1x4x4 float32 forward": "10 s were over"}


def test_relative_error_by_hand():
    assert relative_error(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])) == pytest.approx(0.5 / 29.25**0.5)
    assert relative_error(torch.zeros(2), torch.zeros(2)) == 0
    with pytest.raises(DisagreementError, match="relative error nan"):
        compare_with_reference(lambda: torch.tensor([torch.nan]), lambda: torch.ones(1), ())


def test_bytes_may_be_rounded_the_other_way_here_and_there_and_labels_are_equal():
    pixels = torch.randint(256, (100, 100), generator=torch.Generator().manual_seed(0)).clamp(max=254)
    rounded, labels = pixels.clone(), torch.arange(7)
    rounded[3, 5] += 1
    assert compare_with_reference(lambda: rounded.byte(), lambda: pixels.byte(), ()) > 0
    for got, expected in ((pixels + 1).byte(), pixels.byte()), (labels.flip(0), labels), (rounded, pixels):
        with pytest.raises(DisagreementError):
            compare_with_reference(lambda got=got: got, lambda expected=expected: expected, ())


def test_draws_of_both_start_from_one_seed():
    assert compare_with_reference(torch.rand_like, torch.rand_like, (torch.ones(5),)) == 0


def test_inputs_rotate_until_they_overflow_the_cache(monkeypatch):
    monkeypatch.setattr("benchmarks.speed.inputs.cache_bytes", lambda _: 1000)
    assert [rotation(size, CPU) for size in (10**6, 4000, 1000, 999, 1, 0)] == [1, 1, 4, 5, 64, 64]
