"""A1, A9, A12: images and texts that take long to prepare."""

from tests.abuse.attack import MIB, Attack, again, gone, in_json
from tests.abuse.tiff_bombs import (
    bilevel_png,
    deflate_strips,
    jpeg_strips,
    packbits_strips,
    progressive_jpeg,
    rgba16_png,
)
from tests.bench.contenders import post
from tests.faults.questions import encoded

TIFF = "image/tiff"
SIDE = 7071
"""Fifty megapixels, which is the default limit."""


def raw(kind: str, data: bytes) -> bytes:
    """A request with the image as its body."""
    return post("/v1/embeddings", kind, data)


def many_images(count: int) -> bytes:
    """In one request."""
    image = encoded(bilevel_png(SIDE))
    return in_json("/v1/embeddings", {"input": [{"image": image}] * count})


def many_texts(count: int, letters: int) -> bytes:
    """Different texts of one letter that normalises to eighteen."""
    texts = [f"{number} " + "\ufdfa" * letters for number in range(count)]
    return in_json("/v1/embeddings", {"input": texts})


ATTACKS = [
    Attack("A1", "TIFF, one strip: a JPEG that says 16384 × 16384", lambda: again(raw(TIFF, jpeg_strips(1)))),
    Attack(
        "A1", "the same, 16,000 strips, clients gone at once", lambda: gone(raw(TIFF, jpeg_strips(16_000)))
    ),
    Attack(
        "A1",
        "TIFF, PackBits, 2,000 strips of the same 10 MB",
        lambda: again(raw(TIFF, packbits_strips(2_000, 10 * MIB))),
    ),
    Attack(
        "A1",
        "TIFF, Deflate, 16,000 strips of the same 1 MB, clients gone",
        lambda: gone(raw(TIFF, deflate_strips(16_000, MIB))),
    ),
    Attack(
        "A1",
        "JPEG, 100 scans of 50 MP, as many as are read",
        lambda: again(raw("image/jpeg", progressive_jpeg(SIDE, SIDE, 99))),
    ),
    Attack(
        "A1",
        "JPEG, 20,000 scans of 50 MP, clients gone",
        lambda: gone(raw("image/jpeg", progressive_jpeg(SIDE, SIDE, 20_000))),
    ),
    Attack("A9", "1,000 PNG of 50 MP and 6 KB in a request", lambda: again(many_images(1000)), clients=2),
    Attack("A9", "the same, clients gone", lambda: gone(many_images(1000)), clients=2),
    Attack("A9", "100 × 10 PNG of 50 MP", lambda: again(many_images(10)), clients=100),
    Attack("A9", "1,000 texts of 20,000 U+FDFA", lambda: again(many_texts(1000, 20_000)), clients=2),
    Attack("A9", "1,000 texts of 300 U+FDFA", lambda: again(many_texts(1000, 300)), clients=2),
    Attack(
        "A12", "RGBA16 PNG of 50 MP, one client", lambda: again(raw("image/png", rgba16_png(SIDE))), clients=1
    ),
    Attack(
        "A12",
        "RGBA16 PNG of 50 MP, 16 clients",
        lambda: again(raw("image/png", rgba16_png(SIDE))),
        clients=16,
    ),
]
