"""The Job that embeds a data set: valid by its schema, careful, true to the program that it starts."""

import copy
import re
import subprocess

import kubernetes_validate
import pyarrow.parquet as pq
import pytest

from tests.python.conftest import ROOT, environment, server_binary
from tests.python.deployment_files import KUBERNETES, dockerfile
from tests.python.kustomize import documents


@pytest.fixture(scope="module")
def job() -> dict:
    """The only object of its file."""
    (found,) = documents(KUBERNETES / "embed-job.yaml")
    return found


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_it_satisfies_the_schema(job, version):
    kubernetes_validate.validate(job, version, strict=True)
    wrong = copy.deepcopy(job)
    wrong["spec"]["completionsMode"] = "Indexed"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_it_has_what_the_schema_does_not_ask_for(job):
    spec = job["spec"]
    pod = spec["template"]["spec"]
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] <= spec["completions"]
    # Both fields ask for it.
    assert spec["backoffLimitPerIndex"] and spec["podFailurePolicy"] and pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    (rule,) = [rule for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    claims = {
        entry["metadata"]["name"]
        for entry in documents(KUBERNETES / "base" / "volumes.yaml")
        if entry["kind"] == "PersistentVolumeClaim"
    }
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] in claims


def test_its_pods_may_do_nothing_that_they_need_not(job):
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    context = {**pod["securityContext"], **container["securityContext"]}
    assert pod["automountServiceAccountToken"] is False
    assert context["runAsNonRoot"] and context["readOnlyRootFilesystem"]
    assert context["runAsUser"] == int(re.search(r"^USER (\d+):", dockerfile(), re.M)[1])
    assert not context["allowPrivilegeEscalation"] and context["capabilities"]["drop"] == ["ALL"]
    assert context["seccompProfile"]["type"] == "RuntimeDefault"
    assert container["resources"]["limits"].keys() == container["resources"]["requests"].keys()


def run(arguments: list[str]) -> subprocess.CompletedProcess:
    command = [server_binary(), *arguments]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )


def test_its_command_does_all_shards(job, tmp_path):
    """As it stands, but for the places: every index that Kubernetes gives is taken, and the next one is not."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    count = job["spec"]["completions"]
    tars = tmp_path / "in"
    tars.mkdir()
    for i in range(count):
        (tmp_path / f"{i}.txt").write_text(f"a plate with {i} holes")
        subprocess.run(["tar", "-cf", tars / f"{i:02}.tar", "-C", tmp_path, f"{i}.txt"], check=True)
    # --scratch is for stores; the others are this machine's folders.
    places = {"--model": ROOT / "models/demo", "--tars": tars, "--out": tmp_path / "out"}
    arguments = [
        f"{argument.split('=')[0]}={places.get(argument.split('=')[0], argument.partition('=')[2])}"
        if "=" in argument
        else argument
        for argument in container["args"]
        if not argument.startswith("--scratch=")
    ]

    def at(index: int) -> list[str]:
        return [argument.replace("$(JOB_COMPLETION_INDEX)", str(index)) for argument in arguments]

    # The first and the last ones show it; a process for each would take long.
    for index in (0, 1, count - 1):
        ended = run(at(index))
        assert ended.returncode == 0, ended.stderr
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == [f"part-{index:05}-of-{count:05}.parquet" for index in (0, 1, count - 1)]
    assert sum(pq.read_metadata(tmp_path / "out" / name).num_rows for name in found) == 3
    # Of no use to try again: the Job's rule for this exit status.
    assert run(at(count)).returncode == 2
