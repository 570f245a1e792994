import json
import os

import pytest
import torch

from reproduction.training.atomic_files import save_tensors, write_atomically, write_json


def test_what_is_written_is_read(tmp_path):
    save_tensors(tmp_path / "a.pt", {"x": torch.arange(3), "name": "n"})
    assert torch.load(tmp_path / "a.pt", weights_only=True)["x"].tolist() == [0, 1, 2]
    write_json(tmp_path / "a.json", {"b": [1, 2]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": [1, 2]}
    assert {path.name for path in tmp_path.iterdir()} == {"a.pt", "a.json"}


def test_a_writer_that_dies_leaves_the_old_file_and_the_next_one_succeeds(tmp_path):
    path = tmp_path / "state"
    write_atomically(path, lambda file: file.write(b"old"))

    def dies(file):
        file.write(b"ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, dies)
    assert path.read_bytes() == b"old"
    write_atomically(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_the_bytes_are_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    seen = []
    whole = os.fsync

    def fsync(descriptor):
        seen.append((os.fstat(descriptor).st_size, path.exists()))
        whole(descriptor)

    path = tmp_path / "state"
    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(path, lambda file: file.write(b"12345"))
    assert seen[0] == (5, False)
    assert len(seen) == 2  # and the folder's entry after it
    assert seen[1][1]
