"""The Job that embeds a data set: valid by its schema, restricted, consistent with the program that it starts."""

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
def test_the_job_satisfies_the_schema(job, version):
    kubernetes_validate.validate(job, version, strict=True)
    wrong = copy.deepcopy(job)
    wrong["spec"]["completionsMode"] = "Indexed"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_job_has_its_optional_fields(job):
    spec = job["spec"]
    pod = spec["template"]["spec"]
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] <= spec["completions"]
    # Both fields need it.
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


def test_the_pods_have_no_unneeded_permissions(job):
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


def test_the_command_processes_all_shards(job, tmp_path):
    """Runs its command with local folders: every index that Kubernetes assigns is accepted, and the next one is
    not.
    """
    (container,) = job["spec"]["template"]["spec"]["containers"]
    count = job["spec"]["completions"]
    tars = tmp_path / "in"
    tars.mkdir()
    for i in range(count):
        (tmp_path / f"{i}.txt").write_text(f"a plate with {i} holes")
        subprocess.run(["tar", "-cf", tars / f"{i:02}.tar", "-C", tmp_path, f"{i}.txt"], check=True)
    # --scratch is for object stores; the other options are local folders.
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

    # The first and the last ones are enough; a process for each would take long.
    for index in (0, 1, count - 1):
        ended = run(at(index))
        assert ended.returncode == 0, ended.stderr
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == [f"part-{index:05}-of-{count:05}.parquet" for index in (0, 1, count - 1)]
    assert sum(pq.read_metadata(tmp_path / "out" / name).num_rows for name in found) == 3
    # Retrying is useless: the Job has a rule for this exit status.
    assert run(at(count)).returncode == 2
