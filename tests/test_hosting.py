"""What the hosting service reads: the workflow runs what pyproject.toml promises, and the issue forms are forms."""

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which comes with MkDocs")

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def workflow():
    # YAML 1.1 reads the key "on" as True.
    return yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_it_runs_on_pushes_and_pull_requests_with_reading_rights_alone(workflow):
    assert set(workflow[True]) == {"push", "pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])


def test_the_versions_are_those_of_the_project(workflow):
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    (oldest,) = re.findall(r'requires-python = ">=(3\.\d+)"', PROJECT)
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert matrix["python"][0] == oldest
    assert {"python": oldest, "torch": "oldest"} in matrix["include"]
    (torch,) = re.findall(r'"torch>=(\d+\.\d+)"', PROJECT)
    assert f'"torch=={torch}.*"' in "\n".join(commands(workflow["jobs"]["tests"]))


def test_every_make_target_is_there(workflow):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = [line.split()[1:] for job in workflow["jobs"].values() for line in commands(job) if line[:4] == "make"]
    targets = {target for line in called for target in line}
    assert {"lint", "types", "test", "docs", "wheel", "check-wheel"} <= targets
    assert targets <= set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name
)
def test_an_issue_form_is_a_form(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(form) == {"name", "description", "body"}
    for field in form["body"]:
        assert field["type"] in ("input", "textarea")
        assert set(field["attributes"]) <= {"label", "description", "render"}
        assert field["validations"] == {"required": True}
