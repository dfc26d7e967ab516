"""`clip-in watch` under kills, for seconds. `make watch-folder` does it for longer."""

import json

from tests.faults import watch
from tests.faults.process import ClipInProcess
from tests.python.conftest import environment, server_binary

FILES, RATE, KILLS = 60, 20.0, 3


def test_each_file_is_moved_and_stored_once_although_the_command_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("ORT_DYLIB_PATH", environment()["ORT_DYLIB_PATH"])
    monkeypatch.setenv("CLIP_IN_BINARY", str(server_binary()))
    with ClipInProcess("quick-watch", tmp_path / "state") as server:
        result = watch.run(server, tmp_path, FILES, RATE, KILLS, seed=1)
    assert result.wrong == [], result.table()
    assert result.rows["kills of `clip-in watch`"] == KILLS
    assert result.rows["files in `refused`"] == 4
    assert result.rows["files in `done`"] == FILES - 4


def test_a_lost_and_a_doubled_file_are_noticed(tmp_path):
    """The count itself: a file that is missing, one that is there twice, and one without its record."""
    done = tmp_path / "done"
    done.mkdir()
    wanted = {watch.digest(name.encode()): f"{name}.png" for name in "abc"}
    for name, content in (("a", b"a"), ("a-2", b"a"), ("b", b"b")):
        (done / f"{name}.png").write_bytes(content)
        (done / f"{name}.png.json").write_text(json.dumps({"file": f"{content.decode()}.png"}))
    (done / "left.png.json").write_text("{}")
    wrong = []
    watch.moved(done, wanted, wrong)
    assert sorted(wrong) == ["a.png is in done 2 times", "c.png is in done 0 times", "left.png.json is alone"]
