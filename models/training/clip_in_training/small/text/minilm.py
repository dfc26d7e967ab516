"""all-MiniLM-L6-v2 as its package ships it: weights and tokenizer, read without running the package's code."""

import json
import zipfile
from functools import cache

import torch
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor

from clip_in_training.finetune.backbone.text_rules import TokenizerRules
from clip_in_training.small.packages import MINILM, packaged
from clip_in_training.small.text.encoder import Encoder, Shape

CONTEXT_LENGTH = 256
"""Longest text in tokens; the publication cuts there (`max_seq_length`), although the table of positions has 512
entries.
"""


def published_encoder() -> Encoder:
    """The encoder as it was published, in evaluation mode, fp32: 6 layers, 30,522 pieces, 512 positions.

    Raises `DataError` if the package is missing.
    """
    published = published_weights()
    encoder = Encoder(Shape(len(published["embeddings.word_embeddings.weight"])))
    encoder.load_state_dict(renamed(published, encoder.shape.layers))
    return encoder.eval()


def published_weights() -> dict[str, Tensor]:
    """The weights under the names of transformers' `BertModel`. Raises `DataError` if the package is missing."""
    return load(_member("model.safetensors"))


def published_tokenizer() -> dict:
    """`tokenizer.json` as it was published, without truncation and padding, which the server does itself."""
    described = json.loads(_member("tokenizer.json"))
    return {**described, "truncation": None, "padding": None}


def published_rules() -> TokenizerRules:
    """The published tokenizer with start and end piece, cut where the publication cuts."""
    described = published_tokenizer()
    pieces: dict[str, int] = described["model"]["vocab"]
    tokenizer = Tokenizer.from_str(json.dumps({**described, "added_tokens": [], "post_processor": None}))
    special = (pieces[name] for name in ("[CLS]", "[SEP]", "[PAD]"))
    return TokenizerRules(tokenizer, CONTEXT_LENGTH, "longest", *special)


def renamed(published: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The weights of transformers' `BertModel` under the names of `Encoder`.

    A text is a single segment, so the segment's vector, which BERT adds to each token, becomes part of the table of
    tokens. BERT's pooler is left out: sentence-transformers takes the mean of the states.
    """
    segment = published["embeddings.token_type_embeddings.weight"][0]
    found = {
        "token_embedding.weight": published["embeddings.word_embeddings.weight"] + segment,
        "positions": published["embeddings.position_embeddings.weight"],
    }
    names = {"embeddings.LayerNorm": "norm"}
    for number in range(layers):
        theirs, ours = f"encoder.layer.{number}", f"blocks.{number}"
        names |= {
            f"{theirs}.attention.output.dense": f"{ours}.output",
            f"{theirs}.attention.output.LayerNorm": f"{ours}.attention_norm",
            f"{theirs}.intermediate.dense": f"{ours}.mlp_in",
            f"{theirs}.output.dense": f"{ours}.mlp_out",
            f"{theirs}.output.LayerNorm": f"{ours}.mlp_norm",
        }
        for kind in ("weight", "bias"):
            parts = [
                published[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")
            ]
            found[f"{ours}.query_key_value.{kind}"] = torch.cat(parts)
    for theirs, ours in names.items():
        for kind in ("weight", "bias"):
            found[f"{ours}.{kind}"] = published[f"{theirs}.{kind}"]
    return found


@cache
def _member(name: str) -> bytes:
    with zipfile.ZipFile(packaged(MINILM)) as archive:
        return archive.read(name)
