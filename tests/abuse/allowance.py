"""Limits the server's memory: with a control group where one can be created, else with a process limit."""

import shutil
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Allowance:
    """One way to limit the memory of a process."""

    way: str
    """Description for the line above the table."""
    wrapper: tuple[object, ...] = ()
    """Command prefix."""


def _group(mib: int) -> Allowance | None:
    """A control group (v2) with a limit, if this process may create one. The started process joins it itself."""
    group = GROUPS / "clip-in-abuse"
    try:
        if "memory" not in (GROUPS / "cgroup.subtree_control").read_text().split():
            return None
        group.mkdir(exist_ok=True)
        (group / "memory.max").write_text(str(mib * MIB))
        (group / "memory.swap.max").write_text("0")
    except OSError:
        return None
    into = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    return Allowance(f"control group, memory.max {mib} MiB", ("sh", "-c", into, "sh"))


def ways(mib: int) -> list[Allowance]:
    """All ways that are available on this machine, the strictest first: resident memory, address space, data
    segment.
    """
    found = [_group(mib)]
    if shutil.which("prlimit"):
        found.append(Allowance(f"RLIMIT_AS {mib} MiB", ("prlimit", f"--as={mib * MIB}")))
        found.append(Allowance(f"RLIMIT_DATA {mib} MiB", ("prlimit", f"--data={mib * MIB}")))
    return [way for way in found if way]
