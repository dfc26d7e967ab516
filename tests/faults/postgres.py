"""A PostgreSQL of its own for fault tests, in a temporary folder."""

import os
import pwd
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.servers import HOST, free_port

VERSIONS = Path("/usr/lib/postgresql")
START_SECONDS = 60


def programs() -> Path | None:
    """The folder of the newest version's programs; none where it is not installed."""
    found = [path.parent for path in VERSIONS.glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


class Postgres:
    """A running PostgreSQL; to be used in a `with`, which also removes its data."""

    def __init__(self):
        found = programs()
        if found is None:
            raise FileNotFoundError(f"no PostgreSQL in {VERSIONS}")
        self.programs, self.port = found, free_port()
        self.data = tempfile.TemporaryDirectory()
        self.folder = Path(self.data.name)
        self.user: dict = {}
        if os.geteuid() == 0:
            # It refuses to be root.
            user = pwd.getpwnam("postgres")
            self.user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        options = ["-D", "data", "-U", "lines", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = self._run("initdb", *options)
        if made.returncode:
            raise RuntimeError(made.stderr.decode(errors="replace"))
        self.start()

    @property
    def url(self) -> str:
        """Address of its database."""
        return f"postgres://lines@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        """Starts it, for the first time or again, at the same address."""
        options = ["-D", "data", "-k", "", "-h", HOST, "-p", str(self.port)]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", *options], cwd=self.folder, stdout=log, stderr=log, **self.user
            )
        deadline = time.monotonic() + START_SECONDS
        while self._run("pg_isready", "-h", HOST, "-p", str(self.port)).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it at once, as a crash does: what was committed is on disk."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, *_exception) -> None:
        if self.process.poll() is None:
            self.stop()
        self.data.cleanup()

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.programs / program, *arguments], cwd=self.folder, capture_output=True, **self.user
        )
