"""The files in deploy/ for one machine: compose and systemd; and the tags of all images."""

import re
import shutil
import subprocess

import pytest

from tests.python.deployment_files import DEPLOY, compose, dockerfile


def test_compose_mounts_existing_files():
    services = compose()["services"]
    assert re.search(rf"^FROM \S+ AS {services['clip-in']['build']['target']}$", dockerfile(), re.M)
    folders = [
        volume.split(":")[0] for name in ("prometheus", "grafana") for volume in services[name]["volumes"]
    ]
    missing = [folder for folder in folders if folder.startswith("./") and not (DEPLOY / folder).exists()]
    if {"./prometheus", "./grafana/clip-in.json"} & set(missing):
        pytest.skip(f"not in this checkout: {missing}")
    assert missing == []
    scraped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert "clip-in:8080" in scraped, "Prometheus is to find the server by its name in compose.yaml"


def test_images_have_exact_tags():
    text = "\n".join(path.read_text() for path in DEPLOY.rglob("*.yaml"))
    for value in dict(re.findall(r"^ARG (\w+)=(\S+)", dockerfile(), re.M)).values():
        assert re.fullmatch(r"\d+(\.\d+)+", value)
    images = [image for image in re.findall(r"^\s*image: (\S+)", text, re.M) if image != "clip-in"]
    assert len(images) >= 4
    for image in images:
        assert re.search(r":v?\d+\.\d+\.\d+(-cpu|-cuda)?$", image), image


def test_systemd_accepts_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    copied = tmp_path / "clip-in.service"
    copied.write_text(
        (DEPLOY / "systemd" / "clip-in.service")
        .read_text()
        .replace("/opt/clip-in/clip-in", shutil.which("true"))
    )
    dropped = tmp_path / "clip-in.service.d"
    for drop_ins in ([], ["clip-in-gpu.conf"]):
        for name in drop_ins:
            dropped.mkdir(exist_ok=True)
            shutil.copy(DEPLOY / "systemd" / name, dropped)
        found = subprocess.run(
            ["systemd-analyze", "verify", copied], capture_output=True, text=True, check=False
        )
        complaints = [line for line in found.stderr.splitlines() if "clip-in" in line]
        assert complaints == [] and found.returncode == 0, found.stderr
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20"]
    shutil.rmtree(dropped)
    found = subprocess.run([*command, copied], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-300:]
