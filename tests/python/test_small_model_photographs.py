"""clip-in-small served: what a person sees who drops a photograph on the page.

CLIP_IN_SMALL names another bundle than the one in the repository, such as one that `make train-small` has made.
"""

import base64
import io
import json
import os
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from tests.python.conftest import serving
from tests.python.photographs import photographs

MODEL = os.environ.get("CLIP_IN_SMALL", "models/clip-in-small")


@pytest.fixture(scope="module")
def server():
    with serving(Path(MODEL)) as address:
        yield address


def answer(server: str, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_ten_photographs_get_a_sensible_order_of_ten_statements(server):
    """The best statement is true of nine of them, and in eight every true one is among the better half."""
    best, sensible = {}, {}
    for photograph in photographs():
        image = base64.b64encode(photograph.path.read_bytes()).decode()
        found = answer(server, "/v1/classify", {"images": [image], "labels": photograph.statements})
        scores = {each["label"]: each["similarity"] for each in found["results"][0]["labels"]}
        assert len(scores) == 10
        name = photograph.path.stem
        best[name] = max(scores, key=scores.get) in photograph.true
        sensible[name] = photograph.sensibly_ordered(scores)
    print(best, sensible)
    assert sum(best.values()) >= 9, best
    assert sum(sensible.values()) >= 8, sensible


def test_the_page_offers_photographs_beside_drawn_scenes(server):
    samples = answer(server, "/samples")["samples"]
    titles = [sample["title"] for sample in samples]
    assert titles[0] == "a cat" and "a difference in count" in titles
    for sample in samples:
        with urllib.request.urlopen(server + sample["url"], timeout=60) as response:
            picture = Image.open(io.BytesIO(response.read()))
            assert max(picture.size) == 384
