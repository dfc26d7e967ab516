"""A2, A3, A11, A15: gRPC messages that take more memory than their size."""

from tests.abuse.attack import MIB, Attack, Target
from tests.abuse.http2 import Connection, message, unary
from tests.abuse.json_bodies import BLIND

CLIP_IN = "/clip_in.v1.ClipIn/"
INFER = "/inference.GRPCInferenceService/ModelInfer"
ONE_TEXT = b"\x12\x05\x0a\x03cat"


def empty(field: int, size: int) -> bytes:
    """Empty messages in a repeated field, two bytes each."""
    return bytes([field << 3 | 2, 0]) * (size // 2)


def long_field(number: int, size: int, content: bytes = b"x") -> bytes:
    """A text, or bytes."""
    length, left = b"", size
    while left >= 0x80:
        length += bytes([left & 0x7F | 0x80])
        left >>= 7
    return bytes([number << 3 | 2]) + length + bytes([left]) + content * size


def streamed(size: int, count: int):
    """Work: a stream of messages with an unknown field, as fast as flow control allows."""
    framed = message(ONE_TEXT + long_field(15, size, b"\0"))

    def work(target: Target) -> str:
        connection = Connection(target)
        stream = connection.open(CLIP_IN + "EmbedStream")
        for number in range(count):
            if not connection.send(stream, framed, end=number + 1 == count):
                break
        found = connection.end_of(stream)
        connection.close()
        target.keep.remove(connection)
        return found

    return work


def _empty(row: str, name: str, path: str, field: int, size: int, clients: int = 8) -> Attack:
    label = f"{name}, {size // MIB} MiB of empty messages, gzip"
    return Attack(row, label, lambda: unary(path, empty(field, size), packed=True), clients)


ATTACKS = [
    *[_empty("A2", "ModelInfer inputs", INFER, 5, size * MIB) for size in (4, 16, 63)],
    _empty("A2", "ModelInfer outputs", INFER, 6, 63 * MIB),
    _empty("A2", "Embed items", CLIP_IN + "Embed", 2, 63 * MIB),
    _empty("A2", "Rerank documents", CLIP_IN + "Rerank", 3, 63 * MIB),
    _empty("A2", "Similarity texts", CLIP_IN + "Similarity", 3, 63 * MIB),
    Attack(
        "A2",
        "ModelInfer inputs, 16 MiB, not compressed",
        lambda: unary(INFER, empty(5, 16 * MIB)),
    ),
    Attack(
        "A3",
        "40 messages of 61 KB that unpack to 60 MB",
        lambda: unary(CLIP_IN + "Embed", long_field(15, 60_000_000, b"\0"), packed=True),
        clients=40,
    ),
    Attack(
        "A3",
        "messages of 63 MB, not compressed, 8 clients",
        lambda: unary(CLIP_IN + "Embed", long_field(15, 63_000_000, b"\0")),
        clients=8,
    ),
    Attack(
        "A11",
        "gRPC: a model name of 60 MB, gzip",
        lambda: unary(CLIP_IN + "Embed", long_field(1, 60_000_000, BLIND) + ONE_TEXT, packed=True),
    ),
    Attack(
        "A11",
        "gRPC: a model name of 60 MB in ModelInfer, gzip",
        lambda: unary(INFER, long_field(1, 60_000_000, BLIND), packed=True),
    ),
    Attack("A15", "EmbedStream, 255 messages of 1 MB, 4 streams", lambda: streamed(1_000_000, 255)),
    Attack("A15", "EmbedStream, 100,000 messages of 10 bytes, 4 streams", lambda: streamed(2, 100_000)),
]
