"""Reading folders and tables of images: what comes out, and what each error names."""

import pytest

from longtail_mix.data import balanced_split, groups_on_several_sides, read_folder, read_table

TABLE = """file,diagnosis,patient,part
a.png,scar,p1,train
b.png,mole,p2,train
c.png,scar,p1,train
d.png,mole,p3,test
"""


@pytest.fixture
def table(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.png").touch()
    file = tmp_path / "table.csv"
    file.write_text(TABLE, encoding="utf-8")
    return file


@pytest.fixture
def folder(tmp_path):
    for name in ("mole/2.png", "mole/deep/1.JPG", "scar/1.tif", "scar/notes.txt", "scar/.hidden.png"):
        put(tmp_path / name)
    return tmp_path


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_a_table_in_its_order(table):
    data = read_table(table, image="file", label="diagnosis", group="patient", side="part")
    assert data.names == ("a.png", "b.png", "c.png", "d.png")
    assert data.paths == tuple(table.parent / name for name in data.names)
    assert data.classes == ("mole", "scar")
    assert data.labels.tolist() == [1, 0, 1, 0]
    assert data.groups == ("p1", "p2", "p1", "p3")
    assert data.sides == ("train", "train", "train", "test")
    assert data.class_counts() == (2, 2)
    assert data.rows("train").tolist() == [0, 1, 2]
    assert data.rows("test").tolist() == [3]


def test_without_groups_each_image_is_one(table):
    data = read_table(table, image="file", label="diagnosis")
    assert data.groups == data.names
    assert data.sides is None
    assert len(balanced_split(data.labels, data.groups, val_per_class=0, test_per_class=1).test) == 2


def test_root_suffix_and_a_byte_order_mark(table):
    other = table.parent / "elsewhere" / "table.csv"
    other.parent.mkdir()
    other.write_text("image,label\na,x\nd,y\n", encoding="utf-8-sig")
    data = read_table(other, root=table.parent, suffix=".png")
    assert data.paths == (table.parent / "a.png", table.parent / "d.png")


def test_numbers_are_ordered_as_numbers_and_classes_may_be_given(table):
    table.write_text("image,label\na.png,10\nb.png,9\n")
    assert read_table(table).classes == ("9", "10")
    data = read_table(table, classes=["8", "10", "9"])
    assert data.labels.tolist() == [1, 2]
    assert data.class_counts() == (0, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected columns .*missing in \\[\\]"),
        ("file,diagnosis\n", "expected one or more rows under the header"),
        ("file,kind\na.png,scar\n", r"expected columns \['file', 'diagnosis'\], \['diagnosis'\] missing in"),
        ("file,diagnosis\na.png\n", "1 rows do not have a cell for each column, the first: a.png"),
        ("file,diagnosis\na.png,\n", "1 rows have an empty cell, the first: a.png"),
        ("file,diagnosis\na.png,x\nb.png,x\na.png,y\n", "1 images are listed twice, the first: a.png"),
    ],
)
def test_a_bad_table_is_named_with_its_first_offenders(table, text, message):
    table.write_text(text)
    with pytest.raises(ValueError, match=f"{table.name}: {message}"):
        read_table(table, image="file", label="diagnosis")


def test_another_encoding(table):
    table.write_bytes("file,diagnosis\na.png,Lungenentzündung\n".encode("latin-1"))
    with pytest.raises(ValueError, match="table.csv: expected a UTF-8 table with commas"):
        read_table(table, image="file", label="diagnosis")


def test_missing_images_are_counted_and_the_first_named(table):
    (table.parent / "b.png").unlink()
    (table.parent / "d.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"table.csv: 2 of 4 images are missing, the first: .*b.png, .*d.png"):
        read_table(table, image="file", label="diagnosis")


def test_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.csv: expected a CSV file"):
        read_table(tmp_path / "none.csv")


def test_a_group_on_two_sides(table):
    table.write_text(TABLE.replace("p3", "p1"))
    columns = {"image": "file", "label": "diagnosis", "group": "patient", "side": "part"}
    with pytest.raises(ValueError, match=r"table.csv: 1 groups lie on several sides, the first: p1"):
        read_table(table, **columns)
    data = read_table(table, **columns, allow_leaks=True)
    assert groups_on_several_sides(data.groups, data.sides) == ("p1",)


def test_a_class_that_was_not_named(table):
    with pytest.raises(ValueError, match=r"table.csv: 1 classes are not among \['mole'\], the first: scar"):
        read_table(table, image="file", label="diagnosis", classes=["mole"])
    for classes in ("mole", ["mole", "mole"]):
        with pytest.raises(ValueError, match="classes: expected names that differ"):
            read_table(table, image="file", label="diagnosis", classes=classes)


def test_a_side_that_is_not_there(table):
    with pytest.raises(ValueError, match=r"side: expected one of \['test', 'train'\], got 'val'"):
        read_table(table, image="file", label="diagnosis", side="part").rows("val")
    with pytest.raises(ValueError, match=r"side: expected one of \[\], got 'train'"):
        read_table(table, image="file", label="diagnosis").rows("train")


def test_sides_and_groups_of_different_length():
    with pytest.raises(ValueError, match="sides: expected one for each of 2 groups, got 1"):
        groups_on_several_sides(["a", "b"], ["train"])


def test_a_folder_for_each_class(folder):
    data = read_folder(folder)
    assert data.names == ("mole/2.png", "mole/deep/1.JPG", "scar/1.tif")
    assert data.labels.tolist() == [0, 0, 1]
    assert data.classes == ("mole", "scar")
    assert data.groups == data.names
    assert data.sides is None
    assert read_folder(folder, classes=["scar", "mole"]).labels.tolist() == [1, 1, 0]


def test_folders_of_sides(tmp_path):
    for name in ("train/mole/1.png", "train/scar/1.png", "test/mole/2.png"):
        put(tmp_path / name)
    data = read_folder(tmp_path)
    assert data.classes == ("mole", "scar")
    assert data.sides == ("test", "train", "train")
    assert data.rows("train").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("stray", "message"),
    [
        ("3.png", "1 images lie in no class folder, the first: 3.png"),
        ("burn/readme.txt", "1 class folders have no image, the first: burn"),
    ],
)
def test_what_does_not_belong_in_a_folder(folder, stray, message):
    put(folder / stray)
    with pytest.raises(ValueError, match=message):
        read_folder(folder)


def test_an_image_beside_the_classes_of_a_side(tmp_path):
    put(tmp_path / "train/mole/1.png")
    put(tmp_path / "train/2.png")
    with pytest.raises(ValueError, match=r"1 images lie in no class folder, the first: train/2.png"):
        read_folder(tmp_path)


def test_no_folder_or_nothing_in_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a folder for each class, found none"):
        read_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="none: expected a folder, found none"):
        read_folder(tmp_path / "none")


def test_a_folder_that_classes_does_not_name(folder):
    with pytest.raises(ValueError, match=r"1 classes are not among \['mole'\], the first: scar"):
        read_folder(folder, classes=["mole"])
