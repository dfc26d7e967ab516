"""Describes the machine of the measurement, and checks that it is idle."""

import os
import time
from pathlib import Path

IDLE_SHARE = 0.05


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def describe() -> str:
    """Processor, cores, memory, load; with a warning if other programs are running."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    flags = Path("/proc/cpuinfo").read_text()
    extras = [name for name in ("avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8") if name in flags]
    kib = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    load = os.getloadavg()[0]
    text = (
        f"{model} ({', '.join(extras) or 'no AVX-512 dot products'}), {cores()} cores, "
        f"{kib / 2**20:.0f} GiB, kernel {os.uname().release}; load average at the start {load:.2f}"
    )
    busy = busy_share()
    if busy > IDLE_SHARE:
        text += (
            f"\n\n**Warning: the machine is not idle** ({busy:.0%} of its cores are busy before anything is "
            "started). Ratios are doubtful and absolute numbers mean nothing."
        )
    return text


def busy_share(seconds: float = 2.0) -> float:
    """Share of all cores' time in use, by any process."""

    def read() -> tuple[int, int]:
        numbers = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
        return sum(numbers), numbers[3] + numbers[4]  # all; idle and waiting for disks

    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    return 1 - (idle_after - idle) / max(1, total_after - total)
