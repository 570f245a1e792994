"""docs/reproduction.md has every row that the programs offer, and no command that they do not."""

from __future__ import annotations

from fnmatch import fnmatch
from hashlib import sha256
from importlib import import_module

import pytest

from papers import DOCS, PAPERS
from reproduction.papers import care, lsm, spmix, weighting
from reproduction.papers.page import document
from reproduction.papers.table import Ours, Row, Table, wilson

OF_PAPERS = [pytest.param(paper, id=paper.program) for paper in PAPERS]
OUR_FORMS = {"short", "isic2018", "isic2018-short", "folder", "table"}  # of no paper


def rows_of(program: str, form: str) -> set[str]:
    module = import_module(program)
    return set(getattr(module, "ROWS_OF", {}).get(form, module.ROWS))


def test_the_page_is_what_the_program_writes():
    written = (DOCS / "reproduction.md").read_text(encoding="utf-8")
    assert written == document(PAPERS, DOCS / "results"), "run python examples/papers.py"


@pytest.mark.parametrize("paper", OF_PAPERS)
def test_every_row_of_the_program_is_on_the_page(paper):
    module = import_module(paper.program)
    offered = {name for form in module.FORMS for name in rows_of(paper.program, form)}
    there = {method for _, method in paper.commands()}
    for name in sorted(offered - there):
        assert any(fnmatch(name, pattern) for pattern in paper.beyond), (
            f"{paper.program}.py offers {name}, which the page lacks: name it as `method` of its printed row, or in "
            f"`beyond`, in examples/reproduction/papers/{paper.program}.py; then run python examples/papers.py"
        )


@pytest.mark.parametrize("paper", OF_PAPERS)
def test_every_command_on_the_page_is_one_that_the_program_offers(paper):
    module = import_module(paper.program)
    for form, method in paper.commands():
        where = f"examples/reproduction/papers/{paper.program}.py"
        assert form in module.FORMS, f"{paper.program}.py has no form {form}: correct {where}"
        assert method in rows_of(paper.program, form), (
            f"{form} of {paper.program}.py has no row {method}: correct {where}"
        )


@pytest.mark.parametrize("paper", OF_PAPERS)
def test_what_lies_beyond_the_paper_is_there_and_not_in_its_tables(paper):
    module = import_module(paper.program)
    beyond = {name for form in module.FORMS for name in rows_of(paper.program, form)} - {m for _, m in paper.commands()}
    for pattern in paper.beyond:
        assert any(fnmatch(name, pattern) for name in beyond), f"{pattern}: no row of {paper.program}.py is so called"


@pytest.mark.parametrize("paper", OF_PAPERS)
def test_every_form_of_the_paper_is_on_the_page(paper):
    forms = set(import_module(paper.program).FORMS) - OUR_FORMS
    told = " ".join([*paper.drawings.values(), *paper.beyond.values()])
    there = {form for form, _ in paper.commands()} | {form for form in forms if f"form `{form}`" in told}
    assert forms == there, f"add the table that {forms ^ there} give to the page, or say what they are in `beyond`"


# Of all figures as they were read from the papers. After a correction by the paper put the new one.
DIGESTS = {
    "spmix": "791fda5bc26bdde6",
    "lsm": "9ca8bcebcdb98e10",
    "care": "b9b91b6cb7f7f076",
    "weighting": "f6acc205f917faf0",
}


@pytest.mark.parametrize("paper", OF_PAPERS)
def test_the_printed_figures_are_those_that_were_read(paper):
    read = "\n".join(f"{table.name}: {row.name}: {row.figures}" for table in paper.tables for row in table.rows)
    assert sha256(read.encode()).hexdigest()[:16] == DIGESTS[paper.program]


def test_the_groups_of_spmix_make_the_total_but_for_mislas():
    for table in (spmix.TABLE_1_RESNET, spmix.TABLE_1_HYBRID):
        for row in table.rows:
            many, medium, few, total, _ = row.values()
            agree = (40 * many + 120 * medium + 120 * few) / 280 == pytest.approx(total, abs=0.01)
            assert agree == (row.name != "MiSLAS"), row


def test_the_recalls_of_care_make_the_mean():
    for table in (care.TABLE_3, care.TABLE_7, care.TABLE_10):
        for row in table.rows:
            mean, *recalls = row.values()
            assert sum(recalls) / 7 == pytest.approx(mean, abs=0.2 if table is care.TABLE_3 else 0.1), row


def test_the_groups_of_imagenet_lt_make_the_total_but_for_remix():
    for row in lsm.TABLE_4.rows:  # 385 classes are many, 479 medium, 136 few
        total, many, medium, few = row.values()
        agree = 0.385 * many + 0.479 * medium + 0.136 * few == pytest.approx(total, abs=0.5)
        assert agree == (row.name != "Remix"), row


def test_the_printed_counts_do_not_make_the_printed_number():
    assert sum(int(row.figures) for row in weighting.COUNTS.rows) == 10_068
    assert sum(int(row.note.removeprefix("here ").replace(",", "")) for row in weighting.COUNTS.rows) == 10_015


def test_a_row_needs_all_figures_and_a_command_or_a_reason():
    with pytest.raises(ValueError, match=r"Table 9, ce: expected 2 figures, got '1.0'"):
        Table("Table 9", ("a", "b"), (Row("ce", "1.0", "ce"),), ("paper",))
    for row, forms in ((Row("ce", "1", "ce"), ()), (Row("ce", "1"), ("paper",))):
        with pytest.raises(ValueError, match=r"Table 9, ce: expected a command, or a note why there is none"):
            Table("Table 9", ("a",), (row,), forms)
    table = Table("t", ("a",), (Row("ce", "1", "ce"), Row("x", "2", "x", form="other")), ("paper", "paper-50"))
    assert table.commands(table.rows[0]) == [("paper", "ce"), ("paper-50", "ce")]
    assert table.commands(table.rows[1]) == [("other", "x")]
    assert table.forms_of_rows() == ["paper", "paper-50", "other"]


def test_ours_are_those_of_the_file():
    cell = Ours("x", "synthetic_lsm.json", ("metrics", "ROW", "few")).cell(DOCS / "results", "CE-DRW + LSM")
    assert cell == "16.1 [11.2, 21.1]"


def test_wilsons_interval_is_where_the_share_is_as_far_off_as_the_quantile():
    for percent, images in ((86.07, 280), (15.0, 40), (100.0, 40)):
        for end in wilson(percent, images):
            share = end / 100
            off = abs(percent / 100 - share)
            assert off == pytest.approx(1.959964 * (share * (1 - share) / images) ** 0.5)
