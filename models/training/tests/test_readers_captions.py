"""Which captions the readers of tars and folders find. `clip-in audit` must find the same: its test reads the same
cases.
"""

import io
import json
import tarfile

import pytest
from reader_data import ROOT, encoded

from clip_in_training.finetune.readers.reader import RecordError
from clip_in_training.finetune.readers.sources import open_source
from clip_in_training.finetune.recipe import SourceRecipe

CASES = json.loads((ROOT / "tests/fixtures/captions.json").read_text())


def members(number: int, case: dict) -> list[tuple[str, bytes]]:
    texts = [(f"{number:02}.{kind}", case[kind].encode()) for kind in ("txt", "json") if kind in case]
    return [(f"{number:02}.png", encoded(number)), *texts]


def check(reader, kind: str) -> None:
    assert len(reader) == len(CASES[kind])
    for number, case in enumerate(CASES[kind]):
        if case.get("broken"):
            with pytest.raises(RecordError):
                reader.read(number)
            continue
        view = reader.read(number).view
        assert (view.short, view.long) == (case.get("short"), case.get("long")), case["why"]


def test_captions_of_tars(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for number, case in enumerate(CASES["tar"]):
            for name, content in members(number, case):
                about = tarfile.TarInfo(name)
                about.size = len(content)
                tar.addfile(about, io.BytesIO(content))
    check(open_source(SourceRecipe(kind="webdataset", path=str(tmp_path))), "tar")


def test_captions_of_folders(tmp_path):
    for number, case in enumerate(CASES["folder"]):
        for name, content in members(number, case):
            (tmp_path / name).write_bytes(content)
    # A file that macOS puts beside an image, and a hidden folder of another program.
    (tmp_path / "._00.png").write_bytes(b"no image")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/00.png").write_bytes(encoded(0))
    check(open_source(SourceRecipe(kind="folder", path=str(tmp_path))), "folder")
