"""The requests of a soak: all formats, sizes and lengths, and sometimes invalid ones.

The requests are drawn from a seed before the soak starts, so that the generator costs little while it runs. There
are so many of them that sizes do not repeat in an order that an allocator could adapt to.
"""

import base64
import io
import json
import random
import zlib
from collections.abc import Callable

from tests.bench.connection import Request
from tests.bench.contenders import post
from tests.bench.images import photograph
from tests.bench.texts import WORDS

PICTURES = 120
REQUESTS = 1500
BROKEN_SHARE = 0.06
FORMATS = {
    "JPEG": {"quality": 88},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 85, "method": 0},
    "BMP": {},
    "TIFF": {},
    "GIF": {},
}
MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "L", "P"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "L"),
    "TIFF": ("RGB", "L", "CMYK"),
    "GIF": ("P", "L"),
}
LARGEST_SIDE = 2400
PART_SIDE, PARTS = 600, 20
LABEL_SET, LINE, DEMO = "soak", "soak", "clip-in-demo"
"""A label set and a line that must exist, and the model's name in the Open Inference Protocol."""

Picture = tuple[str, bytes]
"""Content type and file."""


def part(number: int) -> bytes:
    """A JPEG of the line's part, which lies a little differently each time."""
    left, top = (number * 7) % 24, (number * 11) % 24
    file = io.BytesIO()
    picture = photograph(PART_SIDE + 24, PART_SIDE + 24, seed=98)
    picture.crop((left, top, left + PART_SIDE, top + PART_SIDE)).save(file, "JPEG", quality=90)
    return file.getvalue()


def requests(seed: int = 1) -> list[Request]:
    """The complete mixture, shuffled."""
    rng = random.Random(seed)
    pictures = _pictures(rng)
    parts = [part(number) for number in range(1, PARTS)]
    return [
        _broken(rng, pictures) if rng.random() < BROKEN_SHARE else _sound(rng, pictures, parts)
        for _ in range(REQUESTS)
    ]


def _pictures(rng: random.Random) -> list[Picture]:
    source = photograph(LARGEST_SIDE, LARGEST_SIDE, seed=99)
    found = []
    for i in range(PICTURES):
        name = list(FORMATS)[i % len(FORMATS)]
        # Small ones are more frequent: sides are uniform on a logarithmic scale, from 16 pixels.
        width, height = (int(16 * (LARGEST_SIDE / 16) ** rng.random()) for _ in range(2))
        left, top = rng.randint(0, LARGEST_SIDE - width), rng.randint(0, LARGEST_SIDE - height)
        picture = source.crop((left, top, left + width, top + height))
        file = io.BytesIO()
        picture.convert(rng.choice(MODES[name])).save(file, name, **FORMATS[name])
        found.append((f"image/{name.lower()}", file.getvalue()))
    return found


def _text(rng: random.Random) -> str:
    # Mostly captions; sometimes longer than any context.
    words = rng.choice((1, 3, 6, 10, 20, 40, 150))
    return " ".join(rng.choices(WORDS, k=words)) + f" {rng.randint(0, 10**6)}"


def _json(path: str, content: object) -> bytes:
    return post(path, "application/json", json.dumps(content).encode())


def _encoded(picture: Picture) -> str:
    return base64.b64encode(picture[1]).decode()


def _sound(rng: random.Random, pictures: list[Picture], parts: list[bytes]) -> Request:
    def raw() -> bytes:
        content_type, file = rng.choice(pictures)
        return post("/v1/embeddings", content_type, file)

    def raw_against_texts() -> bytes:
        content_type, file = rng.choice(pictures)
        return post("/v1/similarity?text=a+red+bolt&text=a+blue+mug", content_type, file)

    def texts() -> bytes:
        return _json(
            "/v1/embeddings", {"input": [_text(rng) for _ in range(rng.choice((1, 1, 2, 7, 16, 33)))]}
        )

    def images() -> bytes:
        chosen = rng.choices(pictures, k=rng.choice((1, 2, 3, 5)))
        return _json("/v1/embeddings", {"input": [{"image": _encoded(picture)} for picture in chosen]})

    def classify() -> bytes:
        labels = [_text(rng) for _ in range(rng.choice((2, 5, 20)))]
        return _json("/v1/classify", {"images": [_encoded(rng.choice(pictures))], "labels": labels})

    def form() -> bytes:
        content_type, file = rng.choice(pictures)
        mark = b"a-boundary-that-no-picture-has"
        part = b"--" + mark + b'\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        parts = [
            part % (b"image", b'; filename="x"\r\ncontent-type: ' + content_type.encode(), file),
            *(part % (b"text", b"", _text(rng).encode()) for _ in range(2)),
        ]
        body = b"".join(parts) + b"--" + mark + b"--\r\n"
        return post("/v1/similarity", f"multipart/form-data; boundary={mark.decode()}", body)

    def rerank() -> bytes:
        documents = [_text(rng) for _ in range(rng.choice((2, 10)))]
        return _json(
            "/v1/rerank", {"query": {"image": _encoded(rng.choice(pictures))}, "documents": documents}
        )

    def by_label_set() -> bytes:
        content_type, file = rng.choice(pictures)
        return post(f"/v1/classify?labelset={LABEL_SET}", content_type, file)

    def inspect() -> bytes:
        # Sometimes any other picture. One of another shape than the part is stored as a fault of the camera.
        content_type, file = ("image/jpeg", rng.choice(parts)) if rng.random() < 0.8 else rng.choice(pictures)
        return post(f"/v1/lines/{LINE}/inspections?station=soak", content_type, file)

    def open_inference() -> bytes:
        texts = [_text(rng) for _ in range(rng.choice((1, 4)))]
        tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
        return _json(f"/v2/models/{DEMO}/infer", {"inputs": [tensor]})

    kinds: list[Callable[[], bytes]] = [raw, raw, raw_against_texts, texts, texts, images, classify]
    kinds += [form, rerank, by_label_set, inspect, open_inference]
    return Request(rng.choice(kinds)())


def _broken(rng: random.Random, pictures: list[Picture]) -> Request:
    content_type, file = rng.choice(pictures)
    bomb = _png_that_claims(60_000, 60_000)
    bad = {
        "nothing": (post("/v1/embeddings", "image/jpeg", b""), 400),
        "cut off": (post("/v1/embeddings", content_type, file[: min(len(file) // 3, 40)]), 400),
        "noise": (post("/v1/embeddings", "image/png", rng.randbytes(2000)), 400),
        "a bomb": (post("/v1/embeddings", "image/png", bomb), 413),
        "no JSON": (post("/v1/embeddings", "application/json", b'{"input": ['), 400),
        "no base64": (_json("/v1/embeddings", {"input": [{"image": "?" * 400}]}), 400),
        "a URL": (_json("/v1/embeddings", {"input": [{"image": "http://127.0.0.1/a.png"}]}), 400),
        "no items": (_json("/v1/embeddings", {"input": []}), 400),
        "one bad of three": (
            _json("/v1/embeddings", {"input": ["a bolt", {"image": "AAAA"}, "a mug"]}),
            400,
        ),
        "another type": (post("/v1/embeddings", "application/x-tar", file[:1000]), 415),
        "no such path": (_json("/v1/nothing", {}), 404),
    }
    data, status = bad[rng.choice(list(bad))]
    return Request(data, frozenset({status}))


def _png_that_claims(width: int, height: int) -> bytes:
    """A small PNG whose header declares an image that does not fit into memory."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(bytes(1000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
