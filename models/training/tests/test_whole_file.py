"""Atomic replacement of files."""

import os

import pytest

from clip_in_training.common.whole_file import replace_text, replacing


def test_content_and_name_are_synced_before_the_file_is_replaced(tmp_path, monkeypatch):
    path, done = tmp_path / "kept.json", []
    path.write_text("old")
    sync, replace = os.fsync, os.replace

    def synced(number):
        done.append(("sync", os.readlink(f"/proc/self/fd/{number}"), path.read_text()))
        sync(number)

    def replaced(source, target):
        done.append(("replace", str(source), str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    replace_text(path, "new ü")
    partial = f"{path}.partial"
    expected = [("sync", partial, "old"), ("replace", partial, str(path)), ("sync", str(tmp_path), "new ü")]
    assert done == expected
    assert path.read_bytes() == "new ü".encode()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "kept.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), replacing(path) as partial:
        partial.write_text("ne")
        raise RuntimeError("half way")
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]
    assert path.read_text() == "old"


def test_a_failed_write_creates_no_file(tmp_path):
    with pytest.raises(OSError, match=r"new\.json"), replacing(tmp_path / "new.json"):
        pass  # Nothing is written, so there is no file to rename.
    assert not list(tmp_path.iterdir())
