"""Runs a bundle's ONNX graphs."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from torch import Tensor

from clip_in_training.common.errors import ExportError
from clip_in_training.finetune.backbone.text_rules import TokenizerRules

Tokenize = Callable[[Sequence[str]], Tensor]
"""Texts to int64 ids [batch, length]."""


class Graphs:
    """Both encoders of a bundle in ONNX Runtime, on the CPU unless other `providers` are named."""

    def __init__(
        self,
        image: Path,
        text: Path,
        tokenize: Tokenize,
        threads: int = 0,
        providers: Sequence[str | tuple[str, dict]] = ("CPUExecutionProvider",),
    ):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Spinning threads would take processor time from other programs on a shared machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.image = onnxruntime.InferenceSession(str(image), options, providers=list(providers))
        self.text = onnxruntime.InferenceSession(str(text), options, providers=list(providers))
        self.tokenize = tokenize

    def encode_images(self, pixels: np.ndarray, batch: int = 32) -> np.ndarray:
        """uint8 [rows, size, size, 3] to unit vectors [rows, embedding_dim]."""
        parts = [
            self.image.run(["embedding"], {"pixels": np.ascontiguousarray(pixels[i : i + batch])})[0]
            for i in range(0, len(pixels), batch)
        ]
        return np.concatenate(parts)

    def encode_texts(self, texts: Sequence[str], batch: int = 32) -> np.ndarray:
        """Texts to unit vectors [rows, embedding_dim]."""
        parts = [
            self.text.run(["embedding"], {"token_ids": self.tokenize(texts[i : i + batch]).numpy()})[0]
            for i in range(0, len(texts), batch)
        ]
        return np.concatenate(parts)


def bundle_graphs(folder: Path, manifest: dict, threads: int = 0) -> Graphs:
    """The fp32 graphs of any bundle. Raises ExportError if it has none, and OSError if a file is missing."""
    fp32 = next((variant for variant in manifest["variants"] if variant["precision"] == "fp32"), None)
    if fp32 is None:
        raise ExportError(f"{folder} has no fp32 graphs to measure")
    path, text = folder / manifest["tokenizer"], manifest["text"]
    if not path.is_file():
        raise FileNotFoundError(f"no tokenizer at {path}")
    ids = (text["sot_id"], text["eot_id"], text["pad_id"])
    tokenizer = Tokenizer.from_file(str(path))
    rules = TokenizerRules(tokenizer, text["context_length"], text["pad_to"], *ids)
    return Graphs(folder / fp32["image"], folder / fp32["text"], rules, threads)
