"""The growth command: slopes of known curves, one short series from end to end."""

import argparse
import json

import pytest

from benchmarks import growth


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_slope_is_the_power(power):
    sizes = (1, 4, 16, 64, 256)
    assert growth.slope(sizes, [1.0, 1.0, *(3.0 * size**power for size in sizes[2:])]) == pytest.approx(power)


def test_a_short_series_is_measured_written_and_drawn(tmp_path, monkeypatch):
    axis, _, call = growth.SERIES["pairing, batch"]
    monkeypatch.setitem(growth.SERIES, "pairing, batch", (axis, (1, 4, 8, 16), call))
    out = tmp_path / "growth.json"
    growth.run(argparse.Namespace(series=["pairing, batch"], rounds=1, out=out))
    written = json.loads(out.read_text())
    assert written["series"]["pairing, batch"]["sizes"] == [1, 4, 8, 16]
    assert all(seconds > 0 for seconds in written["series"]["pairing, batch"]["seconds"])
    assert "torch" in written["packages"]
    assert out.with_suffix(".png").stat().st_size > 1000
