"""Fetch the pinned ONNX Runtime shared library into a folder: `fetch.py FOLDER`.

The library is taken out of the `onnxruntime` wheel: pip checks the wheel against the hashes in requirements.txt, and only
the library is unpacked. It is independent of the Python that runs this. A library that is already there is left alone, so
that a second run needs no network.
"""

import pathlib
import platform
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PLATFORMS = {
    ("Linux", "x86_64"): ("manylinux_2_28_x86_64", "libonnxruntime.so"),
    ("Linux", "aarch64"): ("manylinux_2_28_aarch64", "libonnxruntime.so"),
    ("Darwin", "arm64"): ("macosx_14_0_arm64", "libonnxruntime.dylib"),
}


def pinned_version() -> str:
    """The version that requirements.txt pins."""
    for line in (HERE / "requirements.txt").read_text().splitlines():
        if line.startswith("onnxruntime=="):
            return line.split("==")[1].split()[0]
    raise SystemExit(f"{HERE / 'requirements.txt'} pins no onnxruntime")


def main() -> None:
    """Fetches the library unless it is there."""
    folder = pathlib.Path(sys.argv[1])
    machine = (platform.system(), platform.machine())
    if machine not in PLATFORMS:
        raise SystemExit(
            f"no pinned ONNX Runtime for {machine[0]} on {machine[1]}: install one (1.23 or later) and set ORT_DYLIB_PATH to its library"
        )
    wheel_platform, name = PLATFORMS[machine]
    version = pinned_version()
    library = folder / name
    stamp = folder / "VERSION"
    if library.exists() and stamp.exists() and stamp.read_text() == version:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += [
            "--only-binary=:all:",
            "--require-hashes",
            "--platform",
            wheel_platform,
            "--python-version",
            "3.11",
        ]
        command += ["--requirement", str(HERE / "requirements.txt"), "--dest", scratch]
        if subprocess.run(command, check=False).returncode != 0:
            raise SystemExit(
                f"could not download onnxruntime {version}: this first run needs the Python package index "
                "(or set ORT_DYLIB_PATH to a library that is already on this machine)"
            )
        (wheel,) = pathlib.Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [m for m in archive.namelist() if m.startswith("onnxruntime/capi/libonnxruntime.")]
            unpacked = pathlib.Path(archive.extract(members[0], scratch))
        unpacked.chmod(0o755)
        unpacked.replace(library)
        stamp.write_text(version)
    print(f"ONNX Runtime {version} is in {library}")


if __name__ == "__main__":
    main()
