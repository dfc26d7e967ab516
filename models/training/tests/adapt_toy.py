"""A bundle of two small linear graphs, made without training, and corrections that it can be adapted to."""

import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper
from pair_data import SCHEMA
from PIL import Image
from pyarrow import parquet
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from clip_in_training.adapt.encoders import Encoders
from clip_in_training.export.files import checksums, write_json
from clip_in_training.scratch.scenes.generate import encoded

SIZE, WIDTH = 16, 12
WORDS = (
    "[pad]",
    "[end]",
    "[unk]",
    "a",
    "part",
    "with",
    "without",
    "no",
    "clean",
    "red",
    "green",
    "blue",
    "spot",
)
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 220)}


def write_toy(folder: Path, *, hub: bool = False, sigmoid: bool = False, patches: bool = False) -> Path:
    """Writes the bundle. As the Hub's exports have it (`hub`): NCHW floats, an attention mask, vectors of any length,
    an older opset and no parity.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    opset = 14 if hub else 18
    _image_graph(folder / "image.onnx", random, hub, patches and not hub, opset)
    _text_graph(folder / "text.onnx", random, hub, opset)
    for tower in ("image", "text"):
        (folder / f"{tower}.fp16.onnx").write_bytes((folder / f"{tower}.onnx").read_bytes())
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[unk]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "model-card.md").write_text("# Toy\n", encoding="utf-8")
    manifest = _manifest(hub, sigmoid, patches and not hub)
    _golden(folder, manifest)
    manifest["files"] = checksums(folder)
    write_json(folder / "bundle.json", manifest)
    return folder


def _manifest(hub: bool, sigmoid: bool, patches: bool) -> dict:
    same = {"worst": 0.0, "mean": 0.0, "max_abs": 0.0}
    variant = {"parity": None if hub else {"image": dict(same), "text": dict(same)}, "benchmark_delta": None}
    return {
        "format_version": 1,
        "name": "toy",
        "description": "two linear graphs",
        "embedding_dim": WIDTH,
        "image": {
            "size": [SIZE, SIZE],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "resize_mode": "shortest",
            "interpolation": "bicubic",
            "crop_rounding": "down" if hub else "half_even",
            "input": {"name": "pixels", "layout": "NCHW", "type": "float32"}
            if hub
            else {"name": "pixels", "layout": "NHWC", "type": "uint8"},
            "output": "embedding",
            "output_normalised": not hub,
            "patch_output": "patch_embeddings" if patches else None,
            "patch_grid": [2, 2] if patches else None,
        },
        "text": {
            "context_length": 12,
            "sot_id": None,
            "eot_id": 1,
            "pad_id": 0,
            "pad_to": "longest",
            "cleaning": "none",
            "positions": "absolute",
            "input": {"name": "ids", "type": "int64", "attention_mask": "mask" if hub else None},
            "output": "embedding",
            "output_normalised": not hub,
        },
        "similarity": {"kind": "sigmoid" if sigmoid else "softmax", "logit_scale": 20.0, "logit_bias": -3.0},
        "variants": [
            {
                **variant,
                "precision": "fp32",
                "image": "image.onnx",
                "text": "text.onnx",
                "golden_tolerance": 1e-5,
            },
            {
                **json.loads(json.dumps(variant)),
                "precision": "fp16",
                "image": "image.fp16.onnx",
                "text": "text.fp16.onnx",
                "golden_tolerance": 1e-4,
            },
        ],
        "tokenizer": "tokenizer.json",
        "golden": "golden/golden.json",
        "samples": None,
        "provenance": {"source": "a toy"},
    }


def _golden(folder: Path, manifest: dict) -> None:
    (folder / "golden").mkdir()
    encoders = Encoders(folder, manifest, manifest["variants"][0], threads=1)
    image = Image.fromarray(np.random.default_rng(5).integers(0, 256, (21, 30, 3), dtype=np.uint8))
    image.save(folder / "golden/0.png")
    vector, text = encoders.images(encoders.pixels(image)[None])[0], "a part with a red spot"
    write_json(
        folder / "golden/golden.json",
        {
            "images": [{"file": "golden/0.png", "embedding": vector.tolist()}],
            "texts": [{"text": text, "embedding": encoders.texts([text])[0].tolist()}],
        },
    )


def _save(
    path: Path, nodes: list, weights: dict[str, np.ndarray], inputs: list, outputs: list, opset: int
) -> None:
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "toy", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _floats(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _image_graph(path: Path, random: np.random.Generator, hub: bool, patches: bool, opset: int) -> None:
    """Means of the four quarters, and a product with a random matrix."""
    weights = {
        "project": random.normal(size=(12, WIDTH)).astype(np.float32),
        "offset": random.normal(size=WIDTH).astype(np.float32),
        "project_patch": random.normal(size=(3, WIDTH)).astype(np.float32),
        "hundred": np.array(100, dtype=np.float32),
    }
    raw = "vectors" if not hub else "embedding"
    nodes = [
        helper.make_node("AveragePool", ["planes"], ["quarters"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["quarters"], ["flat"]),
        helper.make_node("MatMul", ["flat", "project"], ["product"]),
        helper.make_node("Add", ["product", "offset"], [raw]),
    ]
    outputs = [_floats("embedding", ["batch", WIDTH])]
    if hub:
        nodes.insert(0, helper.make_node("Identity", ["pixels"], ["planes"]))
        pixels = _floats("pixels", ["batch", 3, SIZE, SIZE])
    else:
        nodes[:0] = [
            helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["numbers", "hundred"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        ]
        nodes.append(helper.make_node("LpNormalization", ["vectors"], ["embedding"], axis=-1, p=2))
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])
    if patches:
        weights["shape"] = np.array([0, 3, 4], dtype=np.int64)
        nodes += [
            helper.make_node("Reshape", ["quarters", "shape"], ["columns"]),
            helper.make_node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["rows", "project_patch"], ["patches"]),
            helper.make_node("LpNormalization", ["patches"], ["patch_embeddings"], axis=-1, p=2),
        ]
        outputs.append(_floats("patch_embeddings", ["batch", 4, WIDTH]))
    _save(path, nodes, weights, [pixels], outputs, opset)


def _text_graph(path: Path, random: np.random.Generator, hub: bool, opset: int) -> None:
    """The sum of the words' rows; that of the padding is 0, or the mask says what it is."""
    table = random.normal(size=(len(WORDS), WIDTH)).astype(np.float32)
    if not hub:
        table[0] = 0
    weights = {"table": table, "axis": np.array([1], dtype=np.int64), "last": np.array([-1], dtype=np.int64)}
    raw = "embedding" if hub else "sum"
    shape = ["batch", "length"]
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, shape)]
    nodes = [helper.make_node("Gather", ["table", "ids"], ["rows"])]
    if hub:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.INT64, shape))
        nodes += [
            helper.make_node("Cast", ["mask"], ["weight"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["weight", "last"], ["column"]),
            helper.make_node("Mul", ["rows", "column"], ["words"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["rows"], ["words"]))
    nodes.append(helper.make_node("ReduceSum", ["words", "axis"], [raw], keepdims=0))
    if not hub:
        nodes.append(helper.make_node("LpNormalization", ["sum"], ["embedding"], axis=-1, p=2))
    _save(path, nodes, weights, inputs, [_floats("embedding", ["batch", WIDTH])], opset)


def correction(number: int, split: str) -> dict:
    """A grey part, and the same with a spot in one quarter."""
    random = np.random.default_rng([number, len(split)])
    colour = tuple(COLOURS)[number % 3]
    good = random.integers(90, 160, 3) + random.integers(-12, 13, (SIZE, SIZE, 3))
    bad = good.copy()
    bad[1:8, 1:8] = COLOURS[colour]
    pictures = [Image.fromarray(pixels.clip(0, 255).astype(np.uint8)) for pixels in (good, bad)]
    return {
        **dict.fromkeys(SCHEMA.names),
        "id": f"{split}-{number}",
        "source_image": encoded(pictures[0], "good.webp"),
        "edited_image": encoded(pictures[1], "bad.webp"),
        "source_caption": f"a part without a {colour} spot",
        "target_caption": f"a part with a {colour} spot",
        "edit_prompt": "a spot appears",
        "kind": colour,
        "part": f"{split}-{number}",
        "source_of": "part",
    }


def write_corrections(folder: Path, **splits: int | list[dict]) -> Path:
    """`splits`: the number of rows of each, or the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        made = rows if isinstance(rows, list) else [correction(number, split) for number in range(rows)]
        parquet.write_table(pa.Table.from_pylist(made, schema=SCHEMA), folder / f"{split}.parquet")
    return folder
