"""Skips tests that need the emoji font where it is not there: `make small-sources` brings it."""

import importlib.util
from pathlib import Path

import pytest

from clip_in_training.small import pinned

ROOT = Path(__file__).resolve().parents[3]
FOLDER = pinned.folder() if pinned.folder().is_absolute() else ROOT / pinned.folder()


def _missing() -> list[str]:
    names = [pinned.FILES[name].package for name in ("font", "groups") if pinned.found(name, FOLDER) is None]
    return names + ([] if importlib.util.find_spec("emoji") else ["the Python package emoji"])


needs_pictures = pytest.mark.skipif(bool(_missing()), reason=f"not here: {', '.join(_missing())}")
