"""Own images from folders and tables: who is on which side, and what is refused before anything trains."""

import pytest
import torch
from PIL import Image

from reproduction.data.frames import Squash
from reproduction.data.own import Dealt, Folder, Table
from reproduction.data.synthetic import Synthetic
from reproduction.networks.network import Backbone
from reproduction.training.describe import describe
from reproduction.training.real_forms import own_data
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study

COLOURS = {"mole": (200, 0, 0), "scar": (0, 200, 0)}


def draw(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)


def is_right(side, classes):
    """Whether each image has the colour of its label."""
    for image, label in zip(side.images, side.labels.tolist(), strict=True):
        assert image.float().mean((1, 2)).argmax() == {"mole": 0, "scar": 1}[classes[label]]


@pytest.fixture
def frame(tmp_path):
    return Squash(8, tmp_path / "cache")


def test_a_folder_for_each_class_is_dealt(tmp_path, frame):
    for name, colour in COLOURS.items():
        for i in range(10):
            draw(tmp_path / "own" / name / f"{i}.png", colour)
    task = Folder(tmp_path / "own", Dealt(0.2, 0.1)).task(frame, 0)
    assert task.classes == ("mole", "scar")
    assert [len(side) for side in (task.train, task.validation, task.test())] == [14, 2, 4]
    for side in (task.train, task.validation, task.test()):
        is_right(side, task.classes)
    names = [name for side in (task.train, task.validation, task.test()) for name in side.groups]
    assert len(set(names)) == 20
    assert Folder(tmp_path / "own", Dealt(0.2, 0.0)).task(frame, 0).validation is None


def test_a_folder_with_sides_keeps_them(tmp_path, frame):
    for side, count in (("train", 3), ("valid", 1), ("Test", 2)):
        for name, colour in COLOURS.items():
            for i in range(count):
                draw(tmp_path / "own" / side / name / f"{side}-{i}.png", colour)
    task = Folder(tmp_path / "own").task(frame, 0)
    for side, name, count in ((task.train, "train", 6), (task.validation, "valid", 2), (task.test(), "Test", 4)):
        assert len(side) == count
        assert all(group.startswith(f"{name}/") for group in side.groups)
        is_right(side, task.classes)


def table(tmp_path, rows, header="file,label,group"):
    for row in rows:
        name, label = row.split(",")[:2]
        draw(tmp_path / name, COLOURS[label])
    (tmp_path / "table.csv").write_text("\n".join([header, *rows]) + "\n")
    return tmp_path / "table.csv"


def test_a_table_is_dealt_by_its_groups(tmp_path, frame):
    rows = [f"{i}.png,{'mole' if i % 3 else 'scar'},patient {i // 4}" for i in range(48)]
    task = Table(table(tmp_path, rows), dealt=Dealt(0.25, 0.25)).task(frame, 0)
    sides = task.train, task.validation, task.test()
    assert [len(side) for side in sides] == [24, 12, 12]
    for i, side in enumerate(sides):
        is_right(side, task.classes)
        assert not set(side.groups) & {name for other in sides[:i] for name in other.groups}


def test_the_columns_have_other_names_and_sides(tmp_path, frame):
    rows = ["a,mole,train", "b,scar,train", "c,mole,test", "d,scar,test"]
    for row in rows:
        draw(tmp_path / "images" / f"{row[0]}.png", COLOURS[row.split(",")[1]])
    (tmp_path / "t.csv").write_text("\n".join(["id,dx,set", *rows]))
    source = Table(tmp_path / "t.csv", "id", "dx", None, "set", tmp_path / "images", ".png")
    task = source.task(frame, 0)
    assert (task.train.groups, task.test().groups, task.validation) == (("a", "b"), ("c", "d"), None)


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        (["a.png,mole,p"], {"label": "dx"}, ValueError, r"table.csv: expected columns .* \['dx'\] missing"),
        (
            ["a.png,mole,p,train", "b.png,scar,p,test"],
            {"side": "side"},
            ValueError,
            "groups lie on several sides.*p",
        ),
        (
            ["a.png,mole,p,training", "b.png,scar,q,later"],
            {"side": "side"},
            ValueError,
            "side: expected train, .*later",
        ),
        (["a.png,mole,p,val", "b.png,scar,q,test"], {"side": "side"}, ValueError, "side: expected images to train on"),
    ],
)
def test_what_is_refused(tmp_path, frame, rows, options, error, message):
    header = "file,label,group" + (",side" if "side" in options else "")
    with pytest.raises(error, match=message):
        Table(table(tmp_path, rows, header), **options).task(frame, 0)


def test_missing_files_are_named(tmp_path, frame):
    file = table(tmp_path, ["a.png,mole,p", "b.png,scar,q"])
    (tmp_path / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images are missing.*b\.png"):
        Table(file).task(frame, 0)
    with pytest.raises(FileNotFoundError, match="expected a CSV file, found none"):
        Table(tmp_path / "no.csv").task(frame, 0)
    with pytest.raises(FileNotFoundError, match="expected a folder, found none"):
        Folder(tmp_path / "no").task(frame, 0)


def test_the_forms_of_a_program(tmp_path):
    study = Study(Synthetic(), Recipe(Backbone("test_resnet", "none")), ("ce",), out=tmp_path / "real")
    forms = own_data(study, ("a", "b"))
    assert [type(form.data) for _, form in forms.values()] == [Folder, Table]
    for name, (_, form) in forms.items():
        assert (form.methods, form.out, form.recipe) == (("a", "b"), tmp_path / name, study.recipe)
    assert own_data(study)["folder"][1].methods == ("ce",)
    assert "root" not in describe(Folder(tmp_path))
    assert torch.equal(torch.tensor([len(forms)]), torch.tensor([2]))
