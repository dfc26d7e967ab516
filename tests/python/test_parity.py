"""The served embeddings against PyTorch and Pillow: 200 images of mixed formats and sizes, 200 texts.

The reference is the trained model (`model.safetensors`) with its Pillow preprocessing and its tokenizer; it
contains no ONNX Runtime and none of the server's code.
"""

import base64
import io
import itertools
import json
import urllib.request

import numpy as np
import pytest
import torch
from clip_in_training.scratch.model import load_bundle
from clip_in_training.scratch.scenes.generate import single_scene, stream
from PIL import Image

from tests.python.conftest import ROOT

IMAGES, TEXTS = 200, 200
ENCODINGS = [
    ("JPEG", {"quality": 92}),
    ("JPEG", {"quality": 75, "subsampling": 0}),
    ("JPEG", {"quality": 85, "progressive": True}),
    ("PNG", {}),
    ("WEBP", {"quality": 90}),
    ("WEBP", {"lossless": True}),
    ("BMP", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("GIF", {}),
]
MODES = ["RGB", "RGB", "RGB", "L", "RGBA", "CMYK", "P"]


def encoded_images() -> list[bytes]:
    """Held-out scenes, stretched to unusual sizes, in every format and each of its modes."""
    images = []
    for i in range(IMAGES):
        rng = stream(7, "test", "parity", i)
        scene = single_scene(rng, 192 if i % 2 else 96).image
        width, height = (int(side) for side in np.random.default_rng(i).integers(60, 700, 2))
        picture = scene.resize((width, height), Image.Resampling.BICUBIC)
        encoding, options = ENCODINGS[i % len(ENCODINGS)]
        mode = MODES[i % len(MODES)]
        if (encoding == "JPEG" and mode in ("RGBA", "P")) or (encoding != "TIFF" and mode == "CMYK"):
            mode = "CMYK" if encoding == "JPEG" and mode == "P" else "RGB"
        if encoding in ("WEBP", "BMP", "TIFF") and mode == "P":
            mode = "RGB"
        if encoding == "GIF":
            mode = "P"
        file = io.BytesIO()
        picture.convert(mode).save(file, encoding, **options)
        images.append(file.getvalue())
    return images


def texts() -> list[str]:
    """Captions of held-out scenes, and typical user input: other scripts, spaces, upper case, long texts."""
    captions = []
    for i in range((TEXTS - 10) // 2):
        scene = single_scene(stream(8, "test", "parity", i), 64)
        captions += [scene.caption, scene.caption_long]
    return [
        *captions,
        "",
        "   spaces \t and\nlines  ",
        "SHOUTING ABOUT A RED BOLT",
        "ein grüner Becher, ganz links",
        "一个红色的螺栓",
        "naïve café ﬁne Ｆｕｌｌ ½",
        "a plate 🔩🔧",
        "a <|endoftext|> in the middle",
        "<|startoftext|>",
        "a very long list of bolts " * 40,
    ]


def ask(url: str, items: list[dict]) -> np.ndarray:
    """Embeddings from the server."""
    body = json.dumps({"input": items, "encoding_format": "float"}).encode()
    request = urllib.request.Request(f"{url}/v1/embeddings", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return np.array([entry["embedding"] for entry in json.load(answer)["data"]], np.float64)


def cosines(found: np.ndarray, expected: torch.Tensor) -> np.ndarray:
    reference = expected.double().numpy()
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(reference, axis=1)
    return (found * reference).sum(axis=1) / norms


@pytest.fixture(scope="module")
def reference():
    """Model, preprocessing and tokenizer in PyTorch."""
    return load_bundle(ROOT / "models" / "demo")


def test_images_agree_with_pytorch_and_pillow(server, reference):
    model, preprocess, _ = reference
    images = encoded_images()
    assert len(images) == IMAGES
    pixels = torch.stack([preprocess(Image.open(io.BytesIO(image))) for image in images])
    with torch.inference_mode():
        expected = model.encode_image(pixels)
    items = [{"image": base64.b64encode(image).decode()} for image in images]
    found = np.concatenate([ask(server, items[i : i + 50]) for i in range(0, IMAGES, 50)])
    agreement = cosines(found, expected)
    for index, (found, (name, options)) in enumerate(
        zip(agreement, itertools.cycle(ENCODINGS), strict=False)
    ):
        # Two decoders of JPEG differ by a level or two.
        least = 0.9998 if name == "JPEG" else 0.999999
        assert found >= least, f"image {index} ({name}, {options}): {found}"


def test_texts_agree_with_pytorch(server, reference):
    model, _, tokenize = reference
    captions = texts()
    assert len(captions) == TEXTS
    with torch.inference_mode():
        expected = torch.cat([model.encode_text(tokenize([caption])) for caption in captions])
    agreement = cosines(ask(server, [{"text": caption} for caption in captions]), expected)
    worst = int(agreement.argmin())
    assert agreement.min() >= 0.9999, f"{captions[worst]!r}: {agreement[worst]}"
