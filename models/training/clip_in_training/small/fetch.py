"""Fetches the pinned files into a folder: `python -m clip_in_training.small.fetch [FOLDER]`.

Needs Debian's `apt-get` and `dpkg-deb`. Nothing is installed: each package is unpacked into a temporary folder, and
the pinned file is taken from it if its checksum fits. Files that are there already are kept.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.small import pinned


def fetch(folder: Path) -> list[Path]:
    """Brings every pinned file that is not there yet; returns what was written. Raises `DataError`."""
    missing = [name for name in pinned.FILES if pinned.found(name, folder) is None]
    return [_fetched(pinned.FILES[name], name, folder) for name in missing]


def _fetched(file: pinned.PinnedFile, name: str, folder: Path) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DataError(
            f"apt-get and dpkg-deb are needed to fetch {file.package}: put {file.path} of that package into {folder}"
        )
    with tempfile.TemporaryDirectory() as scratch:
        command = ["apt-get", "download", "-q", file.package]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
        packages = list(Path(scratch).glob("*.deb"))
        if done.returncode != 0 or not packages:
            last = done.stderr.strip().splitlines()[-1:] or ["no package came"]
            raise DataError(f"`{' '.join(command)}` failed ({last[0]}): run `apt-get update`, then try again")
        unpacked = Path(scratch) / "unpacked"
        subprocess.run(["dpkg-deb", "-x", packages[0], unpacked], check=True, capture_output=True)
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (unpacked / file.path).is_file():
            shutil.copy(unpacked / file.path, target)
    if pinned.found(name, folder) is None:
        raise DataError(
            f"{file.package} has another {target.name} here than in Debian 12: its SHA-256 is not the pinned one"
        )
    return target


def main() -> None:
    """The command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else pinned.folder()
    try:
        for path in fetch(folder):
            print(path)
    except DataError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
