"""How much memory the server is allowed: by a control group where one may be made, else by a limit of the process."""

import shutil
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Allowance:
    """One way to allow a process so much memory."""

    way: str
    """As it stands above the table."""
    wrapper: tuple[object, ...] = ()
    """What stands before the command."""


def _group(mib: int) -> Allowance | None:
    """A control group (v2) with a limit, if this process may make one. What starts in it goes into it by itself."""
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
    """All that can be had here, the strictest first: what a process has, may address, may write to."""
    found = [_group(mib)]
    if shutil.which("prlimit"):
        found.append(Allowance(f"RLIMIT_AS {mib} MiB", ("prlimit", f"--as={mib * MIB}")))
        found.append(Allowance(f"RLIMIT_DATA {mib} MiB", ("prlimit", f"--data={mib * MIB}")))
    return [way for way in found if way]
