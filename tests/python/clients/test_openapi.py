"""Schemathesis with the server's OpenAPI document, and the page that shows it."""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "15"))
"""Generated requests of a call, at most. `make test-full-size` has 60 of them."""
FEWEST_REQUESTS = 2000
SLOW = r"^/v1/(compare|explain|references|lines/\{line\}$)"
"""Paths that `tests/it` covers alone."""


def requests_by_status(server: str) -> dict[str, int]:
    """Number of requests by status, from the server's metrics."""
    text = urllib.request.urlopen(f"{server}/metrics").read().decode()
    found: dict[str, int] = {}
    for status, count in re.findall(r'^clip_in_requests_total\{.*status="(\d+)"\} (\d+)', text, re.M):
        found[status] = found.get(status, 0) + int(count)
    return found


def test_generated_requests_find_no_difference_from_the_schema(server, tmp_path):
    before = requests_by_status(server)
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{server}/openapi.json",
        "--checks=all",
        # openapi_hooks.py contains it in another form.
        "--exclude-checks=negative_data_rejection",
        f"--max-examples={EXAMPLES}",
        "--phases=examples,coverage,fuzzing",
        # One of these requests takes seconds in a build for tests, and the schema cannot say which images fit.
        f"--exclude-path-regex={SLOW}",
        "--continue-on-failure",
        "--generation-deterministic",
        "--no-color",
        f"--report-junit-path={tmp_path / 'report.xml'}",
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "openapi_hooks.py")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    after = requests_by_status(server)
    answered = {status: count - before.get(status, 0) for status, count in after.items()}
    assert sum(answered.values()) >= FEWEST_REQUESTS, answered
    assert not [status for status in answered if status.startswith("5")], answered
    # Requests must also succeed: refusals alone would test little.
    assert answered["200"] >= FEWEST_REQUESTS / 4, answered
    print(answered)
