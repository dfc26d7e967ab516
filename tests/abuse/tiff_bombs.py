"""Small TIFF and JPEG files that take long or much memory to read; no ordinary program writes such files."""

import io
import struct
import zlib

from PIL import Image

SHORT, LONG = 3, 4


def tiff(width: int, strips: int, compression: int, strip: bytes) -> bytes:
    """Grey, one row per strip; all strips share the same bytes of the file."""
    offsets_at = 8 + len(strip)
    counts_at = offsets_at + 4 * strips
    directory_at = counts_at + 4 * strips
    entries = [
        (256, SHORT, 1, width),
        (257, LONG, 1, strips),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, compression),
        (262, SHORT, 1, 1),
        (273, LONG, strips, offsets_at if strips > 1 else 8),
        (277, SHORT, 1, 1),
        (278, LONG, 1, 1),
        (279, LONG, strips, counts_at if strips > 1 else len(strip)),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 0)
    tables = struct.pack("<I", 8) * strips + struct.pack("<I", len(strip)) * strips
    return struct.pack("<2sHI", b"II", 42, directory_at) + strip + tables + directory


def jpeg_strips(strips: int, side: int = 16384) -> bytes:
    """Each strip is a JPEG whose header declares `side` by `side` pixels."""
    with io.BytesIO() as file:
        Image.new("L", (64, 8)).save(file, "JPEG")
        jpeg = bytearray(file.getvalue())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", side, side)
    return tiff(64, strips, 7, bytes(jpeg))


def packbits_strips(strips: int, size: int) -> bytes:
    """Each strip is `size` bytes that decode to nothing."""
    return tiff(64, strips, 32773, b"\x80" * size)


def deflate_strips(strips: int, size: int) -> bytes:
    """Each strip consists of empty blocks, `size` bytes in total."""
    blocks = b"\x00\x00\x00\xff\xff" * (size // 5)
    return tiff(64, strips, 8, b"\x78\x9c" + blocks)


def rgba16_png(side: int) -> bytes:
    """One colour: the file has 0.005 % of the size of its pixels."""
    row = b"\0" + b"\x10\x20" * (4 * side)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return png(side, side, 16, 6, data)


def bilevel_png(side: int) -> bytes:
    """One bit a pixel."""
    row = b"\0" + b"\xff" * ((side + 7) // 8)
    return png(side, side, 1, 0, zlib.compress(row * side, 9))


def png(width: int, height: int, bits: int, colour: int, data: bytes) -> bytes:
    """A PNG of compressed rows."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def progressive_jpeg(width: int, height: int, scans: int) -> bytes:
    """Grey: the DC scan, and AC scans of a hundred bytes in which every block is empty. A decoder visits all blocks
    for each scan."""
    blocks = -(-width // 8) * -(-height // 8)

    def segment(marker: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content

    def stuffed(bits: str) -> bytes:
        bits += "1" * (-len(bits) % 8)
        data = int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""
        return data.replace(b"\xff", b"\xff\0")

    def table(kind: int, symbol: int) -> bytes:
        # One code of one bit: 0.
        return segment(0xC4, bytes([kind, 1, *[0] * 15, symbol]))

    head = b"\xff\xd8" + segment(0xDB, bytes([0, *[16] * 64]))
    head += segment(0xC2, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
    # DC differences of zero bits; runs of 2^14 blocks and more that end here, with 14 extra bits.
    head += table(0x00, 0) + table(0x10, 0xE0)
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + stuffed("0" * blocks)
    runs, left = "", blocks
    while left >= 1 << 14:
        run = min(left, (1 << 15) - 1)
        runs += "0" + format(run - (1 << 14), "014b")
        left -= run
    if left:
        # Longer than the image, because this table has no shorter run.
        runs += "0" + "0" * 14
    data = stuffed(runs)
    more = b"".join(
        segment(0xDA, bytes([1, 1, 0, place % 63 + 1, place % 63 + 1, 0])) + data for place in range(scans)
    )
    return head + first + more + b"\xff\xd9"
