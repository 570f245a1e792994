"""What is printed and drawn: wins and losses, those who are missing, and what was refused."""

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.speed import plot, table
from benchmarks.speed.measure import with_ratios
from benchmarks.speed.results import Results

ABOUT = {"device": "cpu", "command": "python -m benchmarks run", "packages": {"torch": "2"}}


def row(name, role, milliseconds):
    seconds = {
        "median": milliseconds / 1e3,
        "first_quartile": milliseconds / 2e3,
        "third_quartile": milliseconds / 5e2,
        "repeats": 9,
    }
    return {"name": name, "role": role, "seconds": seconds}


def record(peers=(("torchvision MixUp", 5.0), ("timm Mixup", 8.0))):
    rows = [row("eager", "ours", 10.0), row("compiled", "ours", 4.0), *(row(n, "peer", ms) for n, ms in peers)]
    rows += [row("copy", "roof", 2.0)]
    return {
        "case": "mix_batch",
        "size": "64x3x224x224",
        "dtype": "float32",
        "direction": "forward",
        "images": 64,
        "floor_bytes": 8_000_000,
        "checks": {"compiled": 0.0},
        "contenders": with_ratios(rows, 8_000_000, 64),
        "missing": {"kornia RandomMixUpV2": "No module named 'kornia'"},
        "failed": {"some peer": "RuntimeError: too small"},
    }


def steps():
    seconds = row("", "", 100.0)["seconds"]
    methods = {"nothing": {"seconds": seconds, "added": 0.0}, "CARE": {"seconds": seconds, "added": 0.25}}
    return {"model": "resnet50", "batch": 64, "pixels": 224, "methods": methods, "failed": {"SPMix": "out of memory"}}


def results(path=Path("x.json"), **more):
    return Results(path, ABOUT, [record()], finished=True, **more)


def cells(text, name):
    (line,) = [line for line in text.splitlines() if line.strip().startswith(name + "  ")]
    return line.split(name, 1)[1].split()


def test_ratios_by_hand():
    rows = {row["name"]: row for row in record()["contenders"]}
    assert rows["eager"]["gb_per_s"] == pytest.approx(0.8)
    assert rows["eager"]["images_per_s"] == pytest.approx(6400)
    assert rows["eager"]["of_roof"] == pytest.approx(0.2)
    assert rows["eager"]["over_best_peer"] == pytest.approx(0.5)  # a loss
    assert rows["compiled"]["over_best_peer"] == pytest.approx(1.25)
    assert rows["compiled"]["over_eager"] == pytest.approx(2.5)
    assert rows["timm Mixup"]["over_eager"] == pytest.approx(1.25)
    assert rows["timm Mixup"]["over_best_peer"] is None


def test_without_peers_or_eager_there_are_no_such_ratios():
    (compiled, _) = with_ratios([row("compiled", "ours", 4.0), row("copy", "roof", 2.0)], 8, 1)
    assert compiled["over_best_peer"] is None
    assert compiled["over_eager"] is None


def test_a_record_shows_losses_like_wins():
    text = table.of_record(record())
    assert text.splitlines()[0] == "mix_batch  64x3x224x224  float32  forward  (8.0 MB)"
    assert cells(text, "eager") == ["10", "5-20", "0.8", "6400", "0.20", "1.00", "0.50"]
    assert cells(text, "compiled") == ["4", "2-8", "2", "16000", "0.50", "2.50", "1.25"]
    assert "  kornia RandomMixUpV2: not installed (No module named 'kornia')" in text
    assert "  some peer: failed (RuntimeError: too small)" in text
    assert "peak" not in text  # nobody has it


def test_what_only_a_gpu_has_gets_columns():
    one = record()
    one["contenders"][0] |= {"peak_bytes": 2_500_000, "launch_seconds": 42e-6, "waits": True}
    text = table.of_record(one)
    assert cells(text, "eager (waits)")[-2:] == ["2.5", "42"]


def test_refused_skipped_and_stopped_are_said():
    cut = results(refused={"saliency": "relative error 0.5"}, skipped={"skin_contrast": "no kornia"})
    cut.finished = False
    for text in (table.as_text(cut), table.short(cut)):
        assert "REFUSED:\n  saliency: relative error 0.5" in text
        assert "SKIPPED:\n  skin_contrast: no kornia" in text
        assert text.endswith("The run was stopped before its end.\n")
    assert "stopped" not in table.as_text(results())


def test_the_short_table_has_a_line_for_each_problem():
    both = results()
    both.records.append(steps())
    text = table.short(both)
    assert cells(text, "mix_batch 64x3x224x224 float32") == ["10", "4", "2", "5", "torchvision", "MixUp"]
    assert "resnet50  batch 64  224 pixels" in text
    assert "CARE                    100.0 ms  (50.0-200.0)  +25.0 %" in text
    assert "SPMix: failed (out of memory)" in text


def test_show_prints_and_draws_what_was_written(tmp_path, capsys):
    written = results(tmp_path / "first.json")
    written.flush()
    main(["show", str(written.path)])
    assert table.of_record(record()) in capsys.readouterr().out
    main(["show", "--short", str(written.path)])
    assert table.short(written) in capsys.readouterr().out
    assert not (tmp_path / "first.png").exists(), "nothing is written unasked"
    main(["show", "--plot", str(written.path)])
    assert (tmp_path / "first.png").stat().st_size > 1000


def test_nothing_is_drawn_of_nothing(tmp_path):
    empty = results()
    empty.records = []
    plot.draw(empty, tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
