"""A small data set in UltraEdit's layout, and a recipe that fine-tunes the tiny model on it."""

import io

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet

ROWS = 64
COLOURS = ("red", "green", "blue", "grey", "white", "black", "yellow", "brown")
THINGS = ("bolt", "mug", "screw", "label", "box", "plate", "cable", "wheel")

RECIPE = """
name = "tiny"
description = "The tiny model on a little data"
seed = 5
threads = 1
precision = "fp32"
device = "cpu"
workers = 0
log_every = 2
checkpoint_every = 3
[backbone]
name = "tiny-clip"
context_length = 120
[[sources]]
kind = "ultraedit"
path = "{data}"
[finetune]
steps = 14
pairs = 6
[finetune.optimiser]
learning_rate = 0.001
[finetune.losses]
hard_negative_long = 0.5
"""


def picture(random):
    """PNG bytes of 40 x 40 pixels in one colour with noise."""
    pixels = random.integers(0, 256, 3) + random.integers(-20, 20, (40, 40, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_edits(path, rows=ROWS, broken=()):
    """`broken` rows have a source image that does not decode."""
    random = np.random.default_rng(1)
    columns = {name: [] for name in ("source_image", "edited_image", "source_caption", "target_caption")}
    columns |= {"edit_prompt": [], "source_caption_long": [], "target_caption_long": []}
    for row in range(rows):
        thing = THINGS[row % 8]
        for side, image in (("source", "source_image"), ("target", "edited_image")):
            data = b"no image" if row in broken and side == "source" else picture(random)
            columns[image].append({"bytes": data, "path": f"{row}.png"})
            words = random.choice(COLOURS, 110 if row % 2 else 20)
            columns[f"{side}_caption"].append(f"a {words[0]} {thing} beside a {words[1]} one, number {row}")
            columns[f"{side}_caption_long"].append(f"A {thing} among things that are " + ", ".join(words))
        columns["edit_prompt"].append("paint it")
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([(k, image if k.endswith("image") else pyarrow.string()) for k in columns])
    parquet.write_table(pyarrow.table(columns, schema=schema), path, row_group_size=16)
