"""CPU time of graphs on one thread, measured alternately."""

import platform
import time
from pathlib import Path

import numpy as np

from clip_in_training.export.evaluate.graphs import Graphs

BATCHES = (1, 8)
FLAGS = ["avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8"]


def milliseconds_per_image(
    models: dict[str, Graphs], pixels: np.ndarray, turns: int
) -> dict[str, dict[str, float]]:
    """Returns name -> batch size -> CPU milliseconds per image, the median of `turns`.

    The graphs run on one thread in alternation, and CPU time is counted, so that other load on the machine affects
    all of them equally and little. `pixels` uint8 [rows, size, size, 3], at least eight rows.
    """
    result: dict[str, dict[str, float]] = {name: {} for name in models}
    for batch in BATCHES:
        taken: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(turns + 1):
            for name, graphs in models.items():
                start = time.process_time()
                graphs.encode_images(pixels[:batch], batch)
                taken[name].append(time.process_time() - start)
        for name, times in taken.items():
            # The first turn is a warm-up.
            result[name][str(batch)] = 1000 * float(np.median(times[1:])) / batch
    return result


def processor() -> str:
    """The processor's name and its relevant instruction sets."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = [flag for flag in FLAGS if flag in fields.get("flags", "").split()]
    return f"{fields.get('model name', platform.machine())} ({', '.join(flags) or 'no vector instructions'})"
