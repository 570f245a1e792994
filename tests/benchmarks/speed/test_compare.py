"""Another revision, in a repository made for the test: it is checked out, timed in turn, and gone afterwards."""

import json
import shutil
import subprocess
from contextlib import contextmanager

import pytest

import longtail_mix
from benchmarks.__main__ import main
from benchmarks.speed import compare as command
from benchmarks.speed.compare import lines
from benchmarks.speed.revision import RefusalError, checkout, started

OPTIONS = ["--quick", "--device", "cpu", "--case", "merged", "--variant", "eager"]
TITLE = "merged 16x1x224x224 float32 forward"


@pytest.fixture
def repository(tmp_path):
    """A commit of the library in which merging sleeps and adds."""

    def git(*arguments):
        author = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", tmp_path / "project", *author, *arguments], check=True, capture_output=True)

    source = tmp_path / "project" / "src" / "longtail_mix"
    shutil.copytree(next(iter(longtail_mix.__path__)), source, ignore=shutil.ignore_patterns("__pycache__"))
    merge = source / "mixing" / "ratio" / "merge.py"
    text = merge.read_text()
    assert text.count("return torch.maximum(tail, head)") == 1
    slow = "__import__('time').sleep(0.05)\n    return torch.maximum(tail, head) + 1"
    merge.write_text(text.replace("return torch.maximum(tail, head)", slow))
    git("init")
    git("add", ".")
    git("commit", "-m", "slow")
    return tmp_path / "project"


def test_a_slower_revision_is_seen_with_its_other_results(tmp_path, repository, monkeypatch, capsys):
    trees = []

    @contextmanager
    def checkout_here(revision):
        with checkout(revision, repository) as tree:
            trees.append(tree)
            yield tree

    monkeypatch.setattr(command, "checkout", checkout_here)
    main(["compare", *OPTIONS, "--against", "HEAD", "--out", str(tmp_path / "compare.json")])
    report = json.loads((tmp_path / "compare.json").read_text())
    assert report["about"]["against"] == "HEAD"
    assert report["finished"]
    (record,) = report["records"]
    assert record["problem"] == TITLE
    assert not record["same_bits"]
    times = record["variants"]["eager"]
    assert times["there"]["median"] > 0.05
    ratio = times["there"]["median"] / times["here"]["median"]
    printed = capsys.readouterr().out
    assert f"{TITLE}  (OTHER RESULTS)" in printed
    assert f": x {ratio:.2f}\n" in printed
    assert len(trees) == 1
    assert not trees[0].exists()


def test_a_revision_that_is_not_there_is_said(repository):
    with pytest.raises(RefusalError, match="no_such_revision"), checkout("no_such_revision", repository):
        pass


def test_the_wrong_library_is_refused(tmp_path):
    expected = f"expected the library of {tmp_path}, got .*longtail_mix.__init__.py"
    with pytest.raises(RefusalError, match=expected), started(tmp_path, OPTIONS):
        pass


def test_a_variant_that_is_only_here_is_said():
    seconds = {"median": 0.001, "first_quartile": 0.001, "third_quartile": 0.002, "repeats": 3}
    record = {
        "problem": TITLE,
        "same_bits": True,
        "variants": {"kernel": {"here": seconds}},
        "failed": {"here": {}, "there": {"kernel": "no kernel"}},
    }
    assert lines(record, "main") == [
        f"{TITLE}  (same bits)",
        "  kernel: only here: 1 ms (1-2)",
        "  there: kernel failed (no kernel)",
    ]
