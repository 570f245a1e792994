"""docs/results.md and the gains in docs/choosing.md are what the program makes of the JSON files beside them."""

from __future__ import annotations

from results import DOCS, document, gains, reports, with_gains


def test_the_page_is_what_the_program_writes():
    found = reports()
    text = document(found)
    assert (DOCS / "results.md").read_text(encoding="utf-8") == text
    for name, report in found.items():
        assert f"results/{name}.json" in text
        for method, row in report["rows"].items():
            assert f"| {method} | {len(row['seeds'])} | {row['balanced_accuracy']['mean']:.1f} [" in text


def test_the_gains_are_what_the_program_writes():
    report = reports()["compare_cross_validation"]
    page = (DOCS / "choosing.md").read_text(encoding="utf-8")
    assert with_gains(page, report) == page
    for row in report["rows"].values():
        if "difference" in row:
            assert f"| {row['difference']['few_recall']['mean']:+.1f} [" in gains(report)
    assert with_gains(page.replace("+", "-"), report).count(gains(report)) == 1
