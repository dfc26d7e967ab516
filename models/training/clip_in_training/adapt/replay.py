"""What an adaptation must not forget: vectors of protected edits and texts, which ship with a bundle.

`replay.safetensors` holds them in half precision, as the bundle's own graphs compute them. An adaptation is anchored
to one half of the edits and checked on the other. The new bundle gets the same edits with its own vectors, where the
next adaptation starts. What the check compares with stays the same: the share that was right when the file was made.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from clip_in_training.adapt.embedded import Embedded
from clip_in_training.adapt.encoders import unit
from clip_in_training.adapt.measure import right
from clip_in_training.common.errors import DataError
from clip_in_training.common.whole_file import replacing

FILE = "replay.safetensors"
KEY = "replay"
"""In the manifest's provenance."""


@dataclass(frozen=True)
class Replay:
    """Protected edits, and texts without a picture, as unit vectors."""

    images: np.ndarray
    """float32 [edits, 2, embedding_dim]"""
    texts: np.ndarray
    """float32 [edits, 2, embedding_dim]"""
    captions: np.ndarray
    """int64 [edits, 2]: equal numbers, equal captions."""
    alone: np.ndarray
    """float32 [texts, embedding_dim]: texts that must keep their place."""
    source: str
    """What it is, for people."""
    reference: float | None = None
    """Percent of the protected edits that were right when the file was made; None if it was made just now."""

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the edits to train on, and of the protected ones; always the same."""
        order = np.random.default_rng(0).permutation(len(self.images))
        half = (len(order) + 1) // 2
        return np.sort(order[:half]), np.sort(order[half:])

    def protected(self) -> tuple[np.ndarray, np.ndarray]:
        """Images and texts of the protected edits."""
        rows = self.halves()[1]
        return self.images[rows], self.texts[rows]

    def right(self) -> float:
        """Percent of the protected edits that are right both ways, now."""
        return right(*self.protected()).percent

    def reference_share(self) -> float:
        """The percent that adaptations are compared with."""
        return self.right() if self.reference is None else self.reference


def replay_of(edits: Embedded, alone: np.ndarray, source: str) -> Replay:
    """Edits that were just embedded."""
    return _rounded(Replay(edits.images, edits.texts, edits.captions, alone, source))


def moved(replay: Replay, image: np.ndarray, text: np.ndarray) -> Replay:
    """The vectors behind the products of both towers, which are [embedding_dim, embedding_dim]."""
    return _rounded(
        replace(
            replay,
            images=unit(replay.images.astype(np.float64) @ image.T),
            texts=unit(replay.texts.astype(np.float64) @ text.T),
            alone=unit(replay.alone.astype(np.float64) @ text.T),
        )
    )


def _rounded(replay: Replay) -> Replay:
    """As a file holds it: what was written and read gives the same adaptation as what was just embedded."""
    names = ("images", "texts", "alone")
    halves = {name: getattr(replay, name).astype(np.float16).astype(np.float32) for name in names}
    return replace(replay, **halves)


def write_replay(replay: Replay, folder: Path) -> None:
    """Writes `replay.safetensors`; the same vectors give the same bytes."""
    tensors = {name: getattr(replay, name).astype(np.float16) for name in ("images", "texts", "alone")}
    tensors["captions"] = replay.captions.astype(np.int32)
    with replacing(folder / FILE) as partial:
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial)
    (folder / FILE).chmod(0o644)


def record(
    replay: Replay, manifest: dict[str, Any], files: dict[str, str], seed: int | None
) -> dict[str, Any]:
    """What the manifest's provenance says of the file; `files` are the bundle's checksums."""
    return {
        "file": FILE,
        "pairs": len(replay.images),
        "texts": len(replay.alone),
        "seed": seed,
        "source": replay.source,
        "right": replay.reference_share(),
        "graphs": graphs_of(manifest, files),
    }


def graphs_of(manifest: dict[str, Any], files: dict[str, str]) -> list[str]:
    """Checksums of the fp32 graphs, whose vectors a replay file holds."""
    fp32 = next(variant for variant in manifest["variants"] if variant["precision"] == "fp32")
    return [files[fp32[tower]] for tower in ("image", "text")]


def load_replay(folder: Path, manifest: dict[str, Any]) -> Replay | None:
    """A bundle's replay file; None if it has none. Raises `DataError` if it does not belong to its graphs."""
    known = manifest.get("provenance", {}).get(KEY)
    if not known:
        return None
    path = folder / known["file"]
    again = f"`clip-in-training replay --bundle {folder}` makes it again"
    if known["graphs"] != graphs_of(manifest, manifest["files"]):
        raise DataError(f"{path} holds vectors of other graphs than those of the bundle; {again}")
    try:
        tensors = load_file(path)
        vectors = [tensors[name].astype(np.float32) for name in ("images", "texts")]
        captions, alone = tensors["captions"].astype(np.int64), tensors["alone"].astype(np.float32)
    except Exception as error:  # safetensors has exceptions of its own
        raise DataError(f"{path} is no replay file of a bundle ({str(error)[:200]}); {again}") from error
    width = manifest["embedding_dim"]
    if vectors[0].shape != (len(captions), 2, width) or vectors[1].shape != vectors[0].shape:
        raise DataError(f"{path} has vectors of another shape than [edits, 2, {width}]; {again}")
    return Replay(vectors[0], vectors[1], captions, alone, known["source"], known["right"])
