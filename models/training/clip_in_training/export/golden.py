"""Golden vectors: a few inputs with PyTorch's results. The server computes them again before it reports ready."""

from pathlib import Path

import numpy as np
import torch

from clip_in_training.export.files import write_json
from clip_in_training.scratch.scenes.generate import edit_pair

# (category, size drawn at, crop as left, top, right, bottom). Some are not square and larger than the input, so
# that the check includes the server's resizing.
IMAGES = [
    ("color", 128, None),
    ("count", 200, (0, 20, 200, 170)),
    ("position", 256, (60, 0, 200, 256)),
    ("text", 128, None),
    ("state", 301, (0, 0, 301, 217)),
    ("viewpoint", 96, None),
]

TEXTS = [
    "a red mug",
    'A green box with a tag reading "K7" in the upper half, next to three small blue washers.',
    "HEX HEAD BOLT, POINTING LEFT",
    "Ein Prüfbild: 4 Schrauben – naïve, ﬁne ½ 螺丝 🔩",
    "the word <|endoftext|> is plain text here,   and so is <|pad|>",
    "The picture, in a close-up, shows a red padlock. " * 12,
]


def write_golden(model, preprocess, tokenize, folder: Path, seed: int) -> None:
    """Writes golden/*.png and golden/golden.json below `folder`."""
    (folder / "golden").mkdir()
    images = []
    for index, (category, size, box) in enumerate(IMAGES):
        image = edit_pair(category, np.random.default_rng([seed, 977, index]), size).source.image.convert(
            "RGB"
        )
        image = image.crop(box) if box else image
        image.save(folder / "golden" / f"{index}.png", optimize=True)
        with torch.inference_mode():
            vector = model.encode_image(preprocess(image)[None])[0]
        images.append({"file": f"golden/{index}.png", "embedding": vector.tolist()})
    with torch.inference_mode():
        texts = [
            {"text": text, "embedding": model.encode_text(tokenize([text]))[0].tolist()} for text in TEXTS
        ]
    write_json(folder / "golden" / "golden.json", {"images": images, "texts": texts})
