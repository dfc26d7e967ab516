"""Files of a model become corrupt while it is served; corrupt files are loaded; another, valid model is loaded."""

import json
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.bench.paths import DEMO_BUNDLE
from tests.bench.servers import ServerError
from tests.faults.clients import Clients
from tests.faults.process import ClipInProcess
from tests.faults.questions import reference
from tests.faults.scenario import CLIENTS, Row, Setting, recovery, warmed


def load(server: ClipInProcess, path: str) -> str:
    """Requests a load of a model; returns status and code."""
    body = json.dumps({"path": path}).encode()
    request = urllib.request.Request(
        f"{server.url}/v1/admin/models", body, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return f"{error.code} {json.load(error)['error']['code']}"


def other(folder: Path) -> Path:
    """A valid model of the same name with another logit scale; checksums do not cover the manifest."""
    shutil.copytree(DEMO_BUNDLE, folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["similarity"]["logit_scale"] = 10.0
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


def truncate(file: Path) -> None:
    """Truncates the file in place, like a copy that a full disk cut short: the file that the server has opened."""
    os.truncate(file, file.stat().st_size // 2)


def flip(file: Path) -> None:
    """Changes a few bytes in the middle, in place."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        found = opened.read(64)
        opened.seek(-len(found), os.SEEK_CUR)
        opened.write(bytes(byte ^ 0xFF for byte in found))


def run(setting: Setting) -> Row:
    """The served model continues; corrupt files are refused by name, at a load and at a start."""
    root = setting.folder / "models-root"
    served, second = shutil.copytree(DEMO_BUNDLE, root / "served"), other(root / "other")
    with ClipInProcess("fault-model-other", setting.state("model-other"), bundle=second) as server:
        others = reference(server.address, setting.asked)
    row = Row("model files truncated and flipped in place, loaded; another model loaded", setting.load())
    arguments = ("--admin", "--models-root", root)
    loads = []
    server = ClipInProcess("fault-model", setting.state("model"), *arguments, bundle=served)
    try:
        with setting.clients(server, others=[others]) as clients:
            before = warmed(server)
            for damage in (truncate, flip):
                for name in ("image.onnx", "text.onnx", "tokenizer.json"):
                    damage(served / name)
                    time.sleep(1)
                    found = load(server, "served")
                    loads.append(found)
                    row.check(
                        found == "422 bundle_checksum_mismatch",
                        f"{damage.__name__} {name}: a load says {found}",
                    )
                    shutil.copy(DEMO_BUNDLE / name, served / name)
            (served / "text.onnx").unlink()
            loads.append(load(server, "served"))
            row.check(loads[-1].startswith("422"), f"a file is missing: a load says {loads[-1]}")
            shutil.copy(DEMO_BUNDLE / "text.onnx", served / "text.onnx")
            row.alive(server)
            restored = time.monotonic()
            for path in ("served", "other", "served", "other"):
                row.check(load(server, path) == "200", f"{path} cannot be loaded")
                time.sleep(1)
            replaced = time.monotonic()
            time.sleep(2)
        row.tally(clients.tally)
        row.saw.append(f"loads of broken files: {', '.join(sorted(set(loads)))}")
        row.recovery = recovery(clients.tally, restored)
        row.settled(server, before)
        # After the last replacement, only the second model answers.
        with Clients(server.address, setting.asked, others, CLIENTS, setting.rate) as clients:
            time.sleep(3)
        row.tally(clients.tally)
        row.check(clients.tally.first_right(replaced) is not None, "the other model does not answer")
    finally:
        server.stop()
    flip(served / "image.onnx")
    try:
        ClipInProcess("fault-model", setting.state("model"), bundle=served).stop()
        row.problems.append("a server starts with a model that is broken")
    except ServerError as error:
        row.check("image.onnx" in str(error), f"a start does not name the broken file: {error}")
        row.saw.append("a start with a broken file ends with status 1 and names it")
        row.check(error.refused, "a start with a broken file does not end with status 1")
    return row
