"""The result tables of the docs are those of the JSON files beside them, cell by cell."""

import json
import re
import statistics
from pathlib import Path

import pytest

from benchmarks.fidelity_table import markdown as fidelity_tables
from benchmarks.gallery import markdown as gallery_table
from benchmarks.mix_fidelity import Row
from benchmarks.mix_fidelity import markdown as mix_table
from benchmarks.puzzle import markdown as puzzle_table

DOCS = Path(__file__).parents[1] / "docs"
BENCHMARKS = DOCS.parent / "benchmarks" / "results"
CELL = re.compile(r"^[+-]?\d+\.\d \[[+-]?\d+\.\d, [+-]?\d+\.\d\]$")


def tables(text):
    """Each table as its header and rows of cells."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()
        ]
        yield header, rows


def measured():
    """The measures of every JSON file of results that has some, by file."""
    files = {path.name: json.loads(path.read_text()) for path in sorted((DOCS / "results").rglob("*.json"))}
    return {
        name: content["metrics"]
        for name, content in files.items()
        if isinstance(content, dict) and isinstance(content.get("metrics"), dict)
    }


def as_cells(measure):
    """A measure and its difference as the tables print them."""
    level = f"{measure['mean']:.1f} [{measure['interval'][0]:.1f}, {measure['interval'][1]:.1f}]"
    low, high = measure["difference_interval"]
    return level, f"{measure['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"


def agrees(header, rows, metrics, column):
    """Whether every cell of a table is that of one file; column 0 for levels, 1 for differences."""
    names = [name.replace(" ", "_") for name in header[1:]]
    if not all(row[0] in metrics and all(name in metrics[row[0]] for name in names) for row in rows):
        return False
    return all(
        cell == as_cells(metrics[row[0]][name])[column]
        for row in rows
        for name, cell in zip(names, row[1:], strict=True)
    )


TABLES = [
    pytest.param(header, rows, id=f"{path.name}-{header[0]}-{rows[0][0]}")
    for path in sorted(DOCS.glob("*.md"))
    for header, rows in tables(path.read_text(encoding="utf-8"))
    if (header[0] == "test, %" or header[0].startswith("against "))
    and header[1:4] == ["many", "medium", "few"]
    and all(CELL.match(cell) for row in rows for cell in row[1:])
]


@pytest.mark.parametrize(("header", "rows"), TABLES)
def test_a_table_is_that_of_a_file(header, rows):
    column = int(header[0].startswith("against "))
    agreeing = [name for name, metrics in measured().items() if agrees(header, rows, metrics, column)]
    assert agreeing, f"no JSON file in docs/results/ has these cells: {rows[0]}"


def test_there_are_tables_to_check():
    assert len(TABLES) >= 2


def result(name, folder=DOCS / "results"):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def body(page, *header):
    """The rows below a header, by their first cell."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return {row[0]: row[1:] for names, rows in tables(text) if tuple(names[: len(header)]) == header for row in rows}


def level(cell):
    return f"{cell['mean']:.1f}" + ("" if "interval" not in cell else " [{:.1f}, {:.1f}]".format(*cell["interval"]))


def change(cell):
    ends = cell.get("difference_interval")
    return f"{cell['difference']:+.1f}" + ("" if ends is None else " [{:+.1f}, {:+.1f}]".format(*ends))


def test_weights_by_class_and_loss():
    groups = {
        name: name.replace(", ", " ") for name in ("flat, adam", "hierarchical, adam", "flat, sgd", "hierarchical, sgd")
    }
    losses = {"CEL": "ce", "FL": "focal"}
    weights = {"-": "none", "CB": "cb", "ES": "es", "SPL": "spl", "OHEM": "ohem", "class-wise OHEM": "class-ohem"}
    cells, rows = result("isic2018_weighting.json")["cells"], body("results_appendix.md", "BAcc", *groups)
    assert len(rows) == len(losses) * len(weights)
    for name, shown in rows.items():
        loss, weight = name.split(", ")
        found = [cells[f"{group} {losses[loss]} {weights[weight]}"]["BAcc"] for group in groups.values()]
        assert shown == [level(cell) if weight == "-" else change(cell) for cell in found], name


def test_the_claims_about_weights():
    cells = result("isic2018_weighting.json")["cells"]
    by_class = {name: cell for name, cell in cells.items() if name.endswith((" cb", " es"))}
    text = (DOCS / "results_appendix.md").read_text(encoding="utf-8")
    gains = [cell["BAcc"]["difference"] for cell in by_class.values()]
    assert f"raise BAcc by {min(gains):.1f} to {max(gains):.1f} points" in text
    losses = [-cell["Acc"]["difference"] for cell in by_class.values()]
    assert f"for {min(losses):.0f} to {max(losses):.0f} points" in text
    found = [cell["recall"]["DF"]["mean"] for cell in by_class.values()]
    assert f"with them {min(found):.0f} to {max(found):.0f} % of its images" in text
    assert all(cell["recall"]["DF"]["mean"] == 0 for name, cell in cells.items() if name not in by_class)


def test_care_maps():
    measured = result("synthetic_care.json")["metrics"]
    columns = ("rarest_recall", "mca", "auc", "inside_rarest", "outside_rarest", "inside", "outside")
    rows = body("care.md", "cost-sensitive")
    names = {
        "first stage": "cost-sensitive, first stage",
        "continued": "cost-sensitive, continued",
        "+ CARE": "cost-sensitive + CARE",
    }
    for name, key in names.items():
        found = [measured[key][column] for column in columns]
        assert rows[name] == [level(cell) for cell in found]
    changes = [measured["cost-sensitive + CARE"][column] for column in columns]
    assert rows["difference of the two"] == [change(cell) for cell in changes]


def test_the_cost_of_care():
    measured = result("care_step.json")
    medians = {name: statistics.median(times) for name, times in measured["step"].items()}
    plain = medians["plain step"]
    rows = body("care.md", "step", "ms")
    assert rows == {name.removesuffix(" step"): [f"{ms:.0f}", f"{ms / plain:.2f}"] for name, ms in medians.items()}
    of_maps = body("care.md", "maps of the batch")
    assert of_maps == {name: [f"{statistics.median(times):.0f}"] for name, times in measured["maps"].items()}


def test_detectors():
    measured = result("fidelity.json")["results"]
    views = (("ISIC 2018", "whole frames"), ("ISIC 2018", "crops, map of the crop"), ("ISIC 2017", "whole frames"))
    rows = body("saliency.md", "detector; ratio")
    assert len(rows) >= 10
    for name, shown in rows.items():
        parts = [measured[data][view]["second half"][name] for data, view in views]
        values = [part[measure]["value"] for part in parts for measure in ("auroc", "composite")]
        assert [cell.split(" ")[0] for cell in shown] == [f"{value:.3f}" for value in values], name


def test_the_whole_table_of_detectors():
    measured = result("fidelity.json")
    page = (DOCS / "results" / "fidelity.md").read_text(encoding="utf-8")
    assert fidelity_tables(measured["results"], measured["milliseconds"]).strip() in page


def test_detectors_on_difficult_images():
    lines = gallery_table(result("gallery.json")["auroc"]["real"]).splitlines()
    page = (DOCS / "saliency.md").read_text(encoding="utf-8")
    assert lines[0] in page
    assert "\n".join(lines[2:]) in page


def test_what_a_mix_keeps():
    measured = result("mix_fidelity.json")
    rows, detected = ({name: Row(**row) for name, row in measured[key].items()} for key in ("rows", "detected"))
    assert mix_table(rows, detected) in (DOCS / "operators.md").read_text(encoding="utf-8")


def test_speed():
    rows = body("performance.md", "ms", "ours")
    wanted = []
    for record in result("cpu_guided.json", BENCHMARKS)["records"]:
        times = {of["name"]: 1e3 * of["seconds"]["median"] for of in record["contenders"]}
        opencv = [time for name, time in times.items() if name.startswith("OpenCV")]
        peers = [times.get(name) for name in ("timm Mixup", "torchvision MixUp", "kornia RandomMixUpV2")]
        shown = [times["eager"], *peers, min(opencv, default=None)]
        wanted.append(["" if time is None else f"{time:.3g}" for time in shown])
    assert sorted(rows.values()) == sorted(wanted)


def test_speed_beside_peers():
    shown = sorted(body("performance.md", "operator", "ours, ms").values())
    wanted = []
    for record in result("cpu_peers.json", BENCHMARKS)["records"]:
        ours = next(1e3 * of["seconds"]["median"] for of in record["contenders"] if of["name"] == "eager")
        peers = {of["name"]: 1e3 * of["seconds"]["median"] for of in record["contenders"] if of["role"] == "peer"}
        in_order = ", ".join(f"{name} {time:.3g}" for name, time in sorted(peers.items(), key=lambda item: item[1]))
        wanted.append([f"{ours:.3g}", in_order, f"{ours / min(peers.values()):.2f}"])
    assert shown == sorted(wanted)


def test_steps():
    records = result("cpu_steps.json", BENCHMARKS)["records"]
    rows = body("performance.md", "", *(f"{record['model']}, ms" for record in records))
    assert rows.keys() == records[0]["methods"].keys()
    for method, cells in rows.items():
        of = [record["methods"][method] for record in records]
        assert cells == [f"{1e3 * one['seconds']['median']:.0f} ({100 * one['added']:+.1f} %)" for one in of]


def test_growth():
    rows = body("performance.md", "", "sizes", "ms")
    for name, series in result("cpu_growth.json", BENCHMARKS)["series"].items():
        ends = [float(f"{1e3 * seconds:.3g}") for seconds in (series["seconds"][0], series["seconds"][-1])]
        sizes = [series["sizes"][at] for at in (0, -1)]
        assert rows[name] == ["{} to {}".format(*sizes), "{:g} to {:g}".format(*ends), f"{series['slope']:.2f}"]


def test_how_near_puzzle_mix_comes_to_its_optimum():
    text, measured = (DOCS / "operators.md").read_text(encoding="utf-8"), result("puzzle.json")
    for rows in (measured["masks"], measured["moves"]):
        assert puzzle_table(rows) in text
    assert f"on {measured['pairs']} pairs of {measured['data']}" in text


def test_what_breaks_the_shortcut_of_the_films():
    arms = result("chest_films.json")["results"]
    rows = body("choosing.md", "mix", "marker as in training")
    assert list(rows) == list(arms)
    for name, (told, silent, wrong) in rows.items():
        as_told, as_silent = (
            [seed["balanced accuracy"] for seed in arms[name][side]]
            for side in ("marker as in training", "marker that says nothing")
        )
        each = ", ".join(f"{value:.1f}" for value in as_silent)
        assert told == f"{statistics.fmean(as_told):.1f}"
        assert silent == f"{statistics.fmean(as_silent):.1f} ({each})"
        follows = [seed["predictions that follow a wrong marker"] for seed in arms[name]["marker that says nothing"]]
        assert wrong == f"{statistics.fmean(follows):.1f}"
