"""docs/results.md is what the program makes of the JSON files beside it."""

from __future__ import annotations

from results import DOCS, document, reports


def test_the_page_is_what_the_program_writes():
    found = reports()
    text = document(found)
    assert (DOCS / "results.md").read_text(encoding="utf-8") == text
    for name, report in found.items():
        assert f"results/{name}.json" in text
        for method, row in report["rows"].items():
            assert f"| {method} | {len(row['seeds'])} | {row['balanced_accuracy']['mean']:.1f} [" in text
