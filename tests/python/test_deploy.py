"""The files in deploy/: valid by their schemas, consistent with the server and with each other."""

import copy
import json
import os
import re
import shutil
import subprocess
import urllib.request

import kubernetes_validate
import pytest
import yaml

from tests.python.conftest import ROOT, server_binary, serving
from tests.python.deployment_files import (
    DEPLOY,
    KUBERNETES,
    compose,
    dockerfile,
    dockerfile_settings,
    kserve,
    one,
    pod,
    settings,
    unit,
)
from tests.python.kustomize import documents, identity, render

OVERLAYS = ["cpu", "gpu"]
# The oldest version that has the preStop sleep without a feature gate, and the newest with schemas.
VERSIONS = ["1.30", "1.37"]
# Custom resources; Kubernetes has no schemas for them.
ADDED = ("monitoring.coreos.com/", "serving.kserve.io/")


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request):
    """All objects of an overlay."""
    return render(KUBERNETES / "overlays" / request.param)


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.status


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_satisfies_the_schema(overlay, version):
    checked = [entry for entry in overlay if not entry["apiVersion"].startswith(ADDED)]
    for entry in checked:
        kubernetes_validate.validate(entry, version, strict=True)
    assert {entry["kind"] for entry in checked} >= {"Deployment", "Service", "HorizontalPodAutoscaler"}


def test_the_schema_rejects_an_invalid_object(overlay):
    wrong = copy.deepcopy(one(overlay, "Deployment"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def kustomize_version() -> int:
    command = ["kubectl", "version", "--client", "--output=json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return int(said.get("kustomizeVersion", "v0").removeprefix("v").split(".")[0])


@pytest.mark.parametrize("name", OVERLAYS)
def test_kubectl_renders_the_same_objects(name):
    if not (shutil.which("kubectl") and kustomize_version() >= 5):
        pytest.skip("there is no kubectl with kustomize 5 to compare with")
    folder = KUBERNETES / "overlays" / name
    made = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
    theirs = {identity(entry): entry for entry in yaml.safe_load_all(made.stdout)}
    ours = {identity(entry): entry for entry in render(folder)}
    assert theirs == ours


def test_the_pod_that_fills_the_volume(overlay):
    (filling,) = documents(KUBERNETES / "fill-models.yaml")
    kubernetes_validate.validate(filling, VERSIONS[-1], strict=True)
    claims = {entry["metadata"]["name"] for entry in overlay if entry["kind"] == "PersistentVolumeClaim"}
    assert filling["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] in claims


def test_every_reference_has_its_object(overlay):
    """Labels, names and ports by which the objects refer to each other."""
    deployment, service = one(overlay, "Deployment"), one(overlay, "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        one(overlay, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(overlay, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    (container,) = pod(overlay)["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    assert one(overlay, "NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"] in ports
    monitor = one(overlay, "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    target = one(overlay, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    claims = {entry["metadata"]["name"] for entry in overlay if entry["kind"] == "PersistentVolumeClaim"}
    volumes = {volume["name"]: volume for volume in pod(overlay)["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    used = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in volumes.values()
        if "persistentVolumeClaim" in volume
    }
    assert used == claims
    # Settings with folders name mounted folders or folders of the image.
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]] + ["/opt/clip-in"]
    folders = {**dockerfile_settings(), **settings(container)}
    for name in ("CLIP_IN_MODEL", "CLIP_IN_STATE", "CLIP_IN_API_KEYS_FILE"):
        assert folders[name].startswith(tuple(mounted)), name


def test_a_pod_has_no_unneeded_permissions():
    contexts = []
    for name in OVERLAYS:
        spec = pod(render(KUBERNETES / "overlays" / name))
        assert spec["automountServiceAccountToken"] is False
        contexts.append({**spec["securityContext"], **spec["containers"][0]["securityContext"]})
    contexts.append(kserve()[0]["spec"]["containers"][0]["securityContext"])
    filling = documents(KUBERNETES / "fill-models.yaml")[0]["spec"]
    contexts.append({**filling["securityContext"], **filling["containers"][0]["securityContext"]})
    user = int(re.search(r"^USER (\d+):", dockerfile(), re.M)[1])
    for context in contexts:
        assert context["runAsNonRoot"] and context["runAsUser"] == user
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        assert context["capabilities"]["drop"] == ["ALL"]
        assert context["seccompProfile"]["type"] == "RuntimeDefault"


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_a_stop_takes_longer_than_the_longest_request():
    """Request < drain, and sleep + drain < the time until the process is killed."""
    stops = []
    for name in OVERLAYS:
        spec = pod(render(KUBERNETES / "overlays" / name))
        container = spec["containers"][0]
        stops.append(
            (
                settings(container),
                container["lifecycle"]["preStop"]["sleep"]["seconds"],
                spec["terminationGracePeriodSeconds"],
            )
        )
    runtime, inference = kserve()
    container = runtime["spec"]["containers"][0]
    grace = inference["spec"]["predictor"]["terminationGracePeriodSeconds"]
    stops.append((settings(container), container["lifecycle"]["preStop"]["sleep"]["seconds"], grace))
    service = compose()["services"]["clip-in"]
    stops.append((service["environment"], 0, seconds(service["stop_grace_period"])))
    stops.append((unit(), 0, seconds(unit()["TimeoutStopSec"])))
    for found, sleep, grace in stops:
        drain = int(found["CLIP_IN_DRAIN_SECONDS"])
        assert int(found["CLIP_IN_REQUEST_SECONDS"]) < drain
        assert sleep + drain < grace


def test_settings_of_the_files_exist():
    """Every CLIP_IN_… of these files is a setting of `clip-in serve`."""
    shown = subprocess.run(
        [server_binary(), "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    known = set(re.findall(r"\[env: (CLIP_IN_\w+)", shown))
    files = [path for path in DEPLOY.rglob("*") if path.suffix in {".yaml", ".service", ".conf"}]
    files.append(ROOT / "Dockerfile")
    # Variables of compose.yaml itself, for its users.
    own = {"CLIP_IN_MODELS_FOLDER", "CLIP_IN_CPUS", "CLIP_IN_MEMORY"}
    named = {(path.name, name) for path in files for name in re.findall(r"CLIP_IN_[A-Z_]+", path.read_text())}
    assert {name for _, name in named} >= {
        "CLIP_IN_LISTEN",
        "CLIP_IN_STATE",
        "CLIP_IN_API_KEYS_FILE",
        "CLIP_IN_DEVICES",
    }
    assert [(file, name) for file, name in sorted(named) if name not in known | own] == []


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """The real server with the Deployment's settings; only folders and port are local ones."""
    folder = tmp_path_factory.mktemp("deployed")
    keys = folder / "keys.toml"
    keys.write_text('[[key]]\nname = "line-3"\nkey = "a-key-of-a-test-only"\n')
    (container,) = pod(render(KUBERNETES / "overlays" / "cpu"))["containers"]
    values = {**dockerfile_settings(), **settings(container)}
    image_only = (
        "CLIP_IN_LISTEN",
        "CLIP_IN_MODEL",
        "CLIP_IN_STATE",
        "CLIP_IN_LOG_FORMAT",
        "CLIP_IN_API_KEYS_FILE",
    )
    flags = []
    for name, value in values.items():
        if name not in image_only and name != "CLIP_IN_DEVICES":
            flags += ["--" + name.removeprefix("CLIP_IN_").lower().replace("_", "-"), value]
    with serving(ROOT / "models" / "demo", "--api-keys-file", str(keys), *flags) as url:
        yield url


def test_probes_answer_without_a_key(deployed):
    container = pod(render(KUBERNETES / "overlays" / "gpu"))["containers"][0]
    for runtime in (container, kserve()[0]["spec"]["containers"][0]):
        ports = {port["name"]: port["containerPort"] for port in runtime["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            get = runtime[probe]["httpGet"]
            assert ports.get(get["port"], get["port"]) == int(
                dockerfile_settings()["CLIP_IN_LISTEN"].split(":")[1]
            )
            assert status(deployed + get["path"]) == 200, get["path"]


def test_the_service_monitor_finds_what_the_autoscaler_needs(deployed):
    objects = render(KUBERNETES / "overlays" / "cpu")
    with urllib.request.urlopen(
        deployed + one(objects, "ServiceMonitor")["spec"]["endpoints"][0]["path"], timeout=30
    ) as answer:
        exposed = answer.read().decode()
    (rule,) = documents(KUBERNETES / "prometheus-adapter" / "values.yaml")[0]["rules"]["custom"]
    metric = one(objects, "HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert rule["name"]["as"] == metric
    series = re.findall(r'(clip_in_\w+)\{(lane="\w+")', rule["seriesQuery"] + rule["metricsQuery"])
    assert len(series) == 3
    for name, label in series:
        assert re.search(rf"^{name}\{{{label}\}} \d", exposed, re.M), name


def test_the_rule_of_the_adapter_gives_seconds(tmp_path):
    """A pod whose items wait 0.2 s on average, and an idle one, which must give 0 rather than no value."""
    if not shutil.which("promtool"):
        pytest.skip("there is no promtool (Debian's package prometheus)")
    (rule,) = documents(KUBERNETES / "prometheus-adapter" / "values.yaml")[0]["rules"]["custom"]
    query = rule["metricsQuery"].replace("<<.GroupBy>>", "pod").replace("<<.LabelMatchers>>", 'namespace="n"')

    def series(kind: str, name: str, values: str) -> dict:
        return {
            "series": f'clip_in_queue_seconds_{kind}{{lane="interactive",namespace="n",pod="{name}"}}',
            "values": values,
        }

    inputs = [series("sum", "busy", "0+2x40"), series("count", "busy", "0+10x40")]
    inputs += [series("sum", "idle", "7+0x40"), series("count", "idle", "9+0x40")]
    samples = [{"labels": '{pod="busy"}', "value": 0.2}, {"labels": '{pod="idle"}', "value": 0}]
    expected = {"expr": query, "eval_time": "5m", "exp_samples": samples}
    tests = [{"interval": "15s", "input_series": inputs, "promql_expr_test": [expected]}]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": tests}))
    found = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_health_check_of_the_image_works(deployed, tmp_path):
    """Runs the command of HEALTHCHECK itself."""
    command = json.loads(re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", dockerfile(), re.M)[1])
    address = deployed.removeprefix("http://")

    def healthy(listen: str) -> bool:
        found = subprocess.run(
            command,
            env={**os.environ, "CLIP_IN_LISTEN": listen},
            capture_output=True,
            check=False,
            timeout=30,
        )
        return found.returncode == 0

    assert healthy(address)
    assert not healthy("127.0.0.1:1")


def test_kserve_serves_an_existing_bundle(deployed):
    runtime, inference = kserve()
    model = inference["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] in [
        entry["name"] for entry in runtime["spec"]["supportedModelFormats"]
    ]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    # The name in the URL is that of the bundle.
    name = inference["metadata"]["name"]
    request = urllib.request.Request(
        f"{deployed}/v2/models/{name}/ready", headers={"x-api-key": "a-key-of-a-test-only"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
