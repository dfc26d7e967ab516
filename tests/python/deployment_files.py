"""Reads the Dockerfile and the files in deploy/."""

import re

import yaml

from tests.python.conftest import ROOT
from tests.python.kustomize import documents

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"


def one(objects: list[dict], kind: str) -> dict:
    """The only object of a kind."""
    (found,) = [entry for entry in objects if entry["kind"] == kind]
    return found


def pod(objects: list[dict]) -> dict:
    """The pod of the Deployment."""
    return one(objects, "Deployment")["spec"]["template"]["spec"]


def settings(container: dict) -> dict[str, str]:
    """Environment variables of a container."""
    return {entry["name"]: entry["value"] for entry in container["env"]}


def dockerfile() -> str:
    """The Dockerfile with continued lines joined."""
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def dockerfile_settings() -> dict[str, str]:
    """Environment variables that the image sets, all stages together."""
    return dict(re.findall(r"\b(CLIP_IN_\w+)=(\S+)", "\n".join(re.findall(r"^ENV .*", dockerfile(), re.M))))


def unit() -> dict[str, str]:
    """Settings of the systemd unit, and its other lines by name."""
    lines = re.findall(r"^(\w+)=(.*)$", (DEPLOY / "systemd" / "clip-in.service").read_text(), re.M)
    return dict([line[1].split("=", 1) for line in lines if line[0] == "Environment"] + lines)


def compose() -> dict:
    """The compose file."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def kserve() -> tuple[dict, dict]:
    """The runtime and the service."""
    folder = KUBERNETES / "kserve"
    return documents(folder / "serving-runtime.yaml")[0], documents(folder / "inference-service.yaml")[0]
