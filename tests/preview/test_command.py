"""The command: what it reads, what it prints, what it refuses."""

import subprocess
import sys

import pytest

from longtail_mix.__main__ import main
from longtail_mix.preview.source import open_source, training_rows


@pytest.fixture
def table(folder):
    file = folder / "table.csv"
    rows = [f"{path.stem},{path.parent.name},train" for path in sorted(folder.rglob("*.png"))]
    file.write_text("\n".join(["file,kind,part", *rows[:-1], rows[-1].replace("train", "test")]))
    return file


def test_a_folder_as_a_program(folder, tmp_path):
    command = [sys.executable, "-m", "longtail_mix", "preview", str(folder), "--size", "32", "--pairs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.startswith("preview.html: 0.")
    assert "! 1 class has fewer than 10 images" in done.stderr
    assert "mixing pairs: 100%" in done.stderr
    assert "@content@" not in (tmp_path / "preview.html").read_text(encoding="utf-8")


def test_a_table_and_its_training_side(table):
    head = table.parent / "head"
    lines = [line for line in table.read_text().splitlines() if ",tail," not in line]
    table.write_text("\n".join(lines).replace("05,head,train", "05,head,test"))
    data = open_source(table, image="file", label="kind", side="part", root=head, suffix=".png")
    assert len(data.names) == 24
    assert training_rows(data) == [row for row in range(24) if row != 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: expected a folder, found none"),
        (["set", "--size", "60"], "size: expected a multiple of 8, which the patches divide, got 60"),
        (["set", "--pair", "tail/00.png", "head/99.png"], r"expected names such as 'head/00.png', got ['head/99.png']"),
        (
            ["set/table.csv"],
            "expected columns ['image', 'label'], ['image', 'label'] missing in ['file', 'kind', 'part']",
        ),
    ],
)
def test_a_refusal_is_one_line(table, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert table.exists()
    assert main(["preview", *arguments]) == 2
    refusal = capsys.readouterr().err.splitlines()[-1]
    assert refusal.startswith("longtail-mix preview: ")
    assert message in refusal


def test_a_chosen_image_that_cannot_be_read(folder, capsys):
    (folder / "head" / "00.png").write_bytes(b"")
    assert main(["preview", str(folder), "--pair", "tail/00.png", "head/00.png"]) == 2
    assert "pair: expected images that can be read, got ['head/00.png']" in capsys.readouterr().err
