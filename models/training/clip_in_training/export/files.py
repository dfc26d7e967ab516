"""Writes and identifies the files of a bundle."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clip_in_training.common.whole_file import replace_text, sync_folder


def write_json(path: Path, content: Any) -> None:
    """Writes sorted and indented JSON, so that two exports of the same model are identical."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    replace_text(path, text + "\n")


def checksums(folder: Path) -> dict[str, str]:
    """sha256 in hex of every file below `folder`, except the manifest, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "bundle.json"
    }


@contextmanager
def whole_or_not_at_all(out: Path) -> Iterator[Path]:
    """Yields a folder to fill. It replaces `out` when the block ends, unless an exception leaves the block."""
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
        sync_folder(out.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
