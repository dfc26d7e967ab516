"""Runs the graphs of any bundle, whatever their inputs are: those of this module, of open_clip, or of the Hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from clip_in_training.adapt.geometry import Geometry
from clip_in_training.adapt.token_ids import TokenIds
from clip_in_training.common.errors import ExportError

BATCH = 32


class Encoders:
    """Both towers of one variant in ONNX Runtime on the CPU, with the bundle's rules for pictures and texts."""

    def __init__(self, folder: Path, manifest: dict[str, Any], variant: dict[str, Any], threads: int = 0):
        """`threads` of ONNX Runtime, 0: all cores. Raises `ExportError` and OSError naming the file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Spinning threads would take processor time from other programs on a shared machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.image_rules, self.text_rules = manifest["image"], manifest["text"]
        self.preprocess = Geometry(self.image_rules)
        self.tokenize = TokenIds(folder / manifest["tokenizer"], self.text_rules)
        self.image = _opened(folder / variant["image"], options)
        self.text = _opened(folder / variant["text"], options)

    def pixels(self, image: Image.Image) -> np.ndarray:
        """uint8 [height, width, 3]."""
        return self.preprocess(image)

    def images(self, pixels: np.ndarray, batch: int = BATCH) -> np.ndarray:
        """uint8 [rows, height, width, 3] to unit vectors, float32 [rows, embedding_dim]."""
        name = self.image_rules["output"]
        return unit(self.raw_images(pixels, name, batch))

    def raw_images(self, pixels: np.ndarray, output: str, batch: int = BATCH) -> np.ndarray:
        """An output of the image graph, as it is."""
        rules, name = self.image_rules, self.image_rules["input"]["name"]
        parts = []
        for start in range(0, len(pixels), batch):
            rows = np.ascontiguousarray(pixels[start : start + batch])
            if rules["input"]["layout"] == "NCHW":
                mean, std = (np.asarray(rules[key], dtype=np.float32) for key in ("mean", "std"))
                rows = ((rows.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
            parts.append(self.image.run([output], {name: np.ascontiguousarray(rows)})[0])
        return np.concatenate(parts)

    def texts(self, texts: Sequence[str], batch: int = BATCH) -> np.ndarray:
        """Texts to unit vectors, float32 [rows, embedding_dim]."""
        rules = self.text_rules["input"]
        parts = []
        for start in range(0, len(texts), batch):
            rows = [self.tokenize.ids(text) for text in texts[start : start + batch]]
            ids = self.tokenize.pad(rows)
            feed = {rules["name"]: ids}
            if mask := rules.get("attention_mask"):
                lengths = np.array([len(row) for row in rows])[:, None]
                feed[mask] = (np.arange(ids.shape[1])[None, :] < lengths).astype(np.int64)
            parts.append(self.text.run([self.text_rules["output"]], feed)[0])
        return unit(np.concatenate(parts))


def fp32_encoders(folder: Path, manifest: dict[str, Any], threads: int = 0) -> Encoders:
    """The fp32 graphs of a bundle. Raises `ExportError` if it has none."""
    fp32 = next((variant for variant in manifest["variants"] if variant["precision"] == "fp32"), None)
    if fp32 is None:
        raise ExportError(f"{folder} has no fp32 graphs, which an adaptation starts from")
    return Encoders(folder, manifest, fp32, threads)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their length, float32; a row of zeros stays one."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=-1, keepdims=True)
    return (exact / np.maximum(lengths, 1e-12)).astype(np.float32)


def _opened(path: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise FileNotFoundError(f"no graph at {path}")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has exceptions of its own
        raise ExportError(f"ONNX Runtime cannot open {path} ({str(error)[:200]})") from error
