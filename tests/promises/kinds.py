"""`make inspection-pictures`: a picture of each kind of part with what `/v1/compare` says, for the documents.

The parts are drawn (see parts.py); the reference is ten good ones of other lots. The second row is the overlay that
the server draws. Writes docs/src/images/kinds.png and prints the numbers.
"""

import base64
import io
import json
import tempfile

from PIL import Image, ImageDraw, ImageFont

from tests.bench.contenders import ClipIn
from tests.bench.paths import DEMO_BUNDLE, ROOT
from tests.bench.report import table
from tests.promises import scenes
from tests.promises.line import ask
from tests.promises.parts import OK, Drawn

PRODUCT, LOT = "plate", 7
FILE = ROOT / "docs" / "src" / "images" / "kinds.png"
SIDE, TEXT_HEIGHT, GAP, COLOURS = 240, 58, 8, 64


def part(number: int, **attributes: str) -> Drawn:
    """A part of the lot that the pictures show."""
    return Drawn(PRODUCT, OK, LOT, number, tuple(attributes.items()))


KINDS: dict[str, bytes] = {
    "OK": part(0).png(),
    "scratch": part(1, defect="scratch").png(),
    "missing part": part(2, count="3").png(),
    "wrong text": part(3, code_1="T").png(),
    "pose": part(4).png(turned=25.0),
}


def picture(file: bytes) -> Image.Image:
    """A decoded file, as small as it is shown."""
    return Image.open(io.BytesIO(file)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    """Writes the picture."""
    good = [base64.b64encode(image).decode() for image in scenes.references(PRODUCT)]
    images = [base64.b64encode(image).decode() for image in KINDS.values()]
    with tempfile.TemporaryDirectory() as state, ClipIn(DEMO_BUNDLE, "--state", state).start() as server:
        request = {"references": good, "images": images, "map": "overlay"}
        body = json.dumps(request).encode()
        results = ask(server, "POST", "/v1/compare", "application/json", body)["results"]
    font = ImageFont.load_default(15)
    width = len(KINDS) * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, 2 * SIDE + GAP + TEXT_HEIGHT), "white")
    write = ImageDraw.Draw(sheet)
    rows = []
    for column, ((name, file), result) in enumerate(zip(KINDS.items(), results, strict=True)):
        left = column * (SIDE + GAP)
        sheet.paste(picture(file), (left, TEXT_HEIGHT))
        sheet.paste(picture(base64.b64decode(result["map"])), (left, TEXT_HEIGHT + SIDE + GAP))
        changed, status = result["changed"], result["registration"]["status"]
        score = f"score {changed['score']:.1f}, rank {changed['rank']:.2f}"
        write.text((left + 4, 6), name, "black", font)
        write.text((left + 4, 32), f"{status}, {score}", "black", font)
        rows.append([name, status, f"{changed['score']:.2f}", f"{changed['rank']:.2f}"])
    sheet.quantize(COLOURS).save(FILE, optimize=True)
    print(table(["part", "registration", "score", "rank"], rows))


if __name__ == "__main__":
    main()
