"""Renders the manifests like `kubectl kustomize`, for the features that they use: resources, patches, images."""

import copy
from pathlib import Path

import yaml

# Keys that identify the elements of a list; a list that is not here is replaced as a whole.
KEYS = {
    "containers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "topologySpreadConstraints": "topologyKey",
}


def documents(path: Path) -> list[dict]:
    """All objects of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def render(folder: Path) -> list[dict]:
    """All objects that applying a folder would create."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    known = {"apiVersion", "kind", "resources", "patches", "images"}
    assert kustomization.keys() <= known, f"{folder}: this cannot do {kustomization.keys() - known}"
    objects = []
    for resource in kustomization["resources"]:
        path = (folder / resource).resolve()
        objects += render(path) if path.is_dir() else documents(path)
    for entry in kustomization.get("patches", []):
        (patch,) = documents(folder / entry["path"])
        (index,) = [i for i, target in enumerate(objects) if identity(target) == identity(patch)]
        objects[index] = merged(objects[index], patch)
    for image in kustomization.get("images", []):
        for container in containers(objects):
            if container["image"].split(":")[0] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    return objects


def identity(entry: dict) -> tuple[str, str, str]:
    """The key that matches an object with its patch."""
    return entry["apiVersion"], entry["kind"], entry["metadata"]["name"]


def containers(objects: list[dict]) -> list[dict]:
    """The containers of all deployments."""
    return [
        container
        for entry in objects
        if entry["kind"] == "Deployment"
        for container in entry["spec"]["template"]["spec"]["containers"]
    ]


def merged(target: dict, patch: dict) -> dict:
    """A strategic merge: objects are merged, lists of named items by name, and everything else is replaced."""
    result = copy.deepcopy(target)
    for field, value in patch.items():
        if isinstance(value, dict) and isinstance(result.get(field), dict):
            result[field] = merged(result[field], value)
        elif isinstance(value, list) and field in KEYS and field in result:
            key = KEYS[field]
            patches = {element[key]: element for element in value}
            kept = [merged(old, patches.pop(old[key], {})) for old in result[field]]
            result[field] = list(patches.values()) + kept  # as kustomize orders them
        else:
            result[field] = copy.deepcopy(value)
    return result
