"""Adds `replay.safetensors` to a bundle."""

from pathlib import Path
from typing import Any

from clip_in_training.adapt import replay
from clip_in_training.adapt.encoders import fp32_encoders
from clip_in_training.adapt.inputs import open_bundle
from clip_in_training.adapt.protected import SEED, drawn_replay
from clip_in_training.export.files import checksums, write_json


def add_replay(folder: Path, edits: int, threads: int = 0) -> dict[str, Any]:
    """Draws `edits` edits, writes the file, and records it in the manifest's `files` and `provenance.replay`.

    Returns that record. The bundle's other files are not touched. Their checksums are part of what identifies a
    model to the server, and so is the file's.
    """
    manifest = open_bundle(folder)
    drawn = drawn_replay(fp32_encoders(folder, manifest, threads), manifest, edits)
    replay.write_replay(drawn, folder)
    manifest["files"] = checksums(folder)
    manifest["provenance"][replay.KEY] = replay.record(drawn, manifest, manifest["files"], SEED)
    write_json(folder / "bundle.json", manifest)
    return manifest["provenance"][replay.KEY]
