"""Paths: the repository, build results, and files of the benchmark."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CACHE = ROOT / ".cache"
LOGS = CACHE / "bench-logs"
BENCH_PYTHON = CACHE / "bench-venv" / "bin" / "python"
TEXTILE_PYTHON = CACHE / "textile-venv" / "bin" / "python"
INFINITY_PYTHON = CACHE / "infinity-venv" / "bin" / "python"
REFERENCE_BUNDLE = ROOT / "runs" / "reference" / "vit-b-32"
DEMO_BUNDLE = ROOT / "models" / "demo"


def server_binary() -> Path:
    """CLIP_IN_BINARY, or the release build: measurements of a debug build are meaningless."""
    binary = Path(os.environ.get("CLIP_IN_BINARY", ROOT / "target" / "release" / "clip-in")).resolve()
    if not binary.exists():
        raise SystemExit(f"there is no {binary}: run `make build`")
    return binary


def onnxruntime_library() -> str:
    """The library that the server loads."""
    return os.environ.get("ORT_DYLIB_PATH", str(CACHE / "onnxruntime" / "libonnxruntime.so"))
