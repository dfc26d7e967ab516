"""ONNX Runtime fails during inference: a text has a token that the model's embedding table lacks."""

import hashlib
import json
import shutil
import time
from pathlib import Path

from tests.bench.paths import DEMO_BUNDLE
from tests.faults.clients import code_of
from tests.faults.process import ClipInProcess
from tests.faults.questions import ask, in_json
from tests.faults.scenario import Row, Setting, recovery, warmed

WORD = "zzfault"
ID = 1_000_000
FAILURES = 6


def bundle(folder: Path) -> Path:
    """The demo model with a tokenizer that has one word too many; no input of the start-up checks contains it."""
    shutil.copytree(DEMO_BUNDLE, folder)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["added_tokens"].append(
        {
            "id": ID,
            "content": WORD,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": False,
        }
    )
    tokenizer["model"]["vocab"][WORD] = ID
    file.write_text(json.dumps(tokenizer, ensure_ascii=False))
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"]["tokenizer.json"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


def run(setting: Setting) -> Row:
    """The request that causes it fails with a code; others in the same batch may fail as well or be correct."""
    row = Row(f"ONNX Runtime refuses a batch, {FAILURES} times", setting.load())
    faulty = bundle(setting.folder / "faulty")
    question = in_json("fault", "/v1/embeddings", {"input": f"a {WORD}"})
    with ClipInProcess("fault-session", setting.state("session"), bundle=faulty) as server:
        with setting.clients(server) as clients:
            before = warmed(server)
            found = []
            for _ in range(FAILURES):
                status, body = ask(server.address, question)
                found.append(code_of(status, body) if status != 200 else "200")
                time.sleep(1)
            last = time.monotonic()
            time.sleep(4)
        row.saw.append(f"the request that does it: {', '.join(sorted(set(found)))}")
        row.check(set(found) <= {"500 inference_failed"}, f"the request that does it: {found}")
        # Other requests of the batch share the failure; the word must not be in two batches.
        row.tally(clients.tally, "500 inference_failed")
        row.recovery = recovery(clients.tally, last)
        row.check(set(clients.tally.since(last).counts()) == {"200"}, "later requests fail")
        row.check("ready 1" in server.get("/metrics"), "the server says that it is not ready")
        row.alive(server)
        row.settled(server, before)
    return row
