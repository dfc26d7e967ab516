"""A text tower as a folder: `encoder.safetensors` with its sizes, and `tokenizer.json`."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from clip_in_training.common.errors import BackboneError
from clip_in_training.export.weights import save_weights
from clip_in_training.scratch.tokenizer.training import save_tokenizer
from clip_in_training.small.text.encoder import Encoder, Shape

WEIGHTS, TOKENIZER = "encoder.safetensors", "tokenizer.json"


def save_tower(encoder: Encoder, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes both files; matrices become fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(encoder.state_dict(), folder / WEIGHTS, {"shape": json.dumps(asdict(encoder.shape))})
    save_tokenizer(tokenizer, folder / TOKENIZER)


def load_tower(folder: Path) -> tuple[Encoder, Tokenizer]:
    """The encoder, fp32, in evaluation mode, and its tokenizer. Raises `BackboneError` if there is no tower."""
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            shape = Shape(**json.loads((file.metadata() or {})["shape"]))
            weights = {name: file.get_tensor(name).to(torch.float32) for name in file.keys()}
        tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text(encoding="utf-8"))
        encoder = Encoder(shape)
        encoder.load_state_dict(weights)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise BackboneError(
            f"{folder} holds no text tower ({str(error).strip().splitlines()[0]}): make one with "
            "`python -m clip_in_training.small.text.prepare`"
        ) from error
    return encoder.eval(), tokenizer
