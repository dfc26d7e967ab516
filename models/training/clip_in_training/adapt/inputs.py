"""What an adaptation is made from, and how it is known again."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clip_in_training.adapt.export import KEY
from clip_in_training.adapt.pairs import PairFolder, files_digest
from clip_in_training.common.errors import DataError, ExportError

METHOD = 2
"""Counts up when the same inputs would give another bundle than before."""
WAYS = ("adapters", "lora")


@dataclass(frozen=True)
class Inputs:
    """The pairs, the bundle, and what the command line says."""

    pairs: PairFolder
    bundle: Path
    manifest: dict[str, Any]
    out: Path
    replay: str | None
    """"none", a folder, or None: the bundle's own."""
    keep: float
    """Points that the protected edits may fall, over all adaptations since the replay file was made."""
    seed: int
    name: str | None
    threads: int = 0
    way: str = WAYS[0]

    def described(self) -> dict[str, Any]:
        """For the provenance: what it is made from."""
        return {
            "way": self.way,
            "from": {"name": self.manifest["name"], "manifest_sha256": _sha256(self.bundle / "bundle.json")},
            "pairs_sha256": self.pairs.digest(),
            "seed": self.seed,
            "keep": self.keep,
        }

    def digest(self, settings: Any) -> str:
        """sha256 of all that decides the result; `settings` is the dataclass of the way."""
        replayed = self.replay
        if replayed not in (None, "none"):
            replayed = files_digest(sorted(Path(replayed).rglob("*.parquet")))
        parts = {
            **self.described(),
            "settings": asdict(settings),
            "replay": replayed,
            "name": self.name,
            "method": METHOD,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def open_bundle(folder: Path) -> dict[str, Any]:
    """The manifest. Raises `DataError` if the folder is no bundle."""
    try:
        return _manifest(folder)
    except FileNotFoundError as error:
        raise DataError(f"--from {folder} has no bundle.json: give the folder of a bundle") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{folder / 'bundle.json'} is no JSON ({error})") from error


def check_name(name: str | None) -> None:
    """Raises `ExportError` for a name that the server refuses."""
    if name is not None and not re.fullmatch(r"[a-z0-9._-]{1,128}", name):
        raise ExportError(f"--name {name!r}: a model's name has only a-z, 0-9, '.', '_' and '-'")


def made_before(out: Path, digest: str, force: bool) -> dict[str, Any] | None:
    """The record of the bundle in `out` if the same inputs made it; None if there is nothing, or with `force`.

    Raises `ExportError` if something else is there.
    """
    if force or not out.exists():
        return None
    try:
        adapted = _manifest(out)["provenance"].get(KEY, [])
    except (OSError, ValueError, KeyError):
        adapted = []
    if adapted and adapted[-1].get("inputs_sha256") == digest:
        return adapted[-1]
    raise ExportError(
        f"{out} exists and was not made from these pairs, this bundle and these settings; "
        "give another --out, or --force to replace it"
    )


def _manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
