"""Images of inspections in an object store that is sometimes not there."""

import base64
import io
import json
import time
import urllib.error
import urllib.request

import pytest
from PIL import Image, ImageDraw

from tests.python.clients.s3_server import storing
from tests.python.conftest import ROOT, serving

BUCKET = "plant"
MODEL = ROOT / "models" / "demo"


@pytest.fixture(scope="module")
def store():
    with storing(BUCKET) as running:
        yield running


@pytest.fixture(scope="module")
def lines(store):
    """A server with two lines: `strict` refuses what it cannot store, `patient` stores it later."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment().items():
            patch.setenv(name, value)
        with serving(MODEL, "--inspection-images", f"s3://{BUCKET}/hall 3") as url:
            for line, kind in {"strict": "before", "patient": "queued"}.items():
                body = {"references": [base64.b64encode(part(0)).decode()], "resolution": 192, "store": kind}
                asked(f"{url}/v1/lines/{line}", json.dumps(body).encode(), "PUT", "application/json")
            yield url


@pytest.fixture(autouse=True)
def nothing_fails(store):
    yield
    store.failing.fault = lambda method, path: None


def part(seed: int) -> bytes:
    """A drawn part; another one for each seed."""
    picture = Image.new("RGB", (160, 120), (90, 110, 130))
    ImageDraw.Draw(picture).ellipse((40 + seed, 30, 100 + seed, 90), fill=(200, 180, 40))
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def asked(url: str, body: bytes | None = None, method: str | None = None, kind: str = "image/png"):
    """The answer: JSON, or the bytes of an image."""
    request = urllib.request.Request(url, body, {"content-type": kind}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
        return json.loads(content) if "json" in answer.headers["content-type"] else content


def inspect(url: str, line: str, seed: int) -> dict:
    return asked(f"{url}/v1/lines/{line}/inspections", part(seed))


def objects(store) -> dict[str, bytes]:
    client = store.client()
    keys = [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def refusal(url: str, line: str, seed: int) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        inspect(url, line, seed)
    return caught.value.code, caught.value.read().decode()


def test_an_image_is_an_object_until_it_is_deleted(store, lines):
    answer = inspect(lines, "strict", 1)
    image = f"{lines}/v1/inspections/{answer['id']}/image"
    assert asked(image) == part(1)
    found = {key: content for key, content in objects(store).items() if content == part(1)}
    assert len(found) == 1 and next(iter(found)).startswith("hall 3/"), list(found)
    asked(image, method="DELETE")
    assert part(1) not in objects(store).values()
    with pytest.raises(urllib.error.HTTPError, match="410"):
        asked(image)


@pytest.mark.parametrize("fault", ["unavailable", "refused"])
def test_a_store_that_takes_nothing_is_waited_for_or_refused(store, lines, fault):
    seed = {"unavailable": 10, "refused": 20}[fault]
    store.failing.fault = lambda method, path: fault
    status, body = refusal(lines, "strict", seed)
    assert status == 503 and "reviews_unavailable" in body, body
    assert "AKIA" not in body and "127.0.0.1" not in body
    waiting = [inspect(lines, "patient", seed + each) for each in range(1, 4)]
    assert all(answer["queued"] for answer in waiting)
    begin = time.monotonic()
    assert inspect(lines, "patient", seed + 4)["queued"]
    assert time.monotonic() - begin < 2, "each inspection waits for a store that is not there"
    # What waits was acknowledged, so it is there.
    store.failing.fault = lambda method, path: None
    found = f"{lines}/v1/inspections/{waiting[0]['id']}"
    until(lambda: answered(found))
    assert asked(f"{found}/image") == part(seed + 1)
    until(lambda: all(part(seed + each) in objects(store).values() for each in range(1, 5)))
    assert not inspect(lines, "patient", seed + 5)["queued"]
    # What was refused is not stored.
    assert part(seed) not in objects(store).values()


def answered(url: str) -> bool:
    try:
        asked(url)
    except urllib.error.HTTPError:
        return False
    return True


def until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not within a minute"
        time.sleep(0.2)


def test_wrong_places_are_named_at_the_start(tmp_path):
    for place, words in {
        "gs://plant/images": "gs:// is not supported",
        "s3:///images": "names no bucket",
    }.items():
        with pytest.raises(pytest.fail.Exception, match=words):
            with serving(MODEL, "--inspection-images", place):
                pass
