"""The text encoder of an open_clip model, piece by piece, so that a batch may be shorter than the context.

`open_clip.CLIP` holds the pieces of its text tower itself; `CustomTextCLIP` holds a `TextTransformer` with
the same pieces under the same names.
"""

from typing import Any, NamedTuple

import open_clip
from open_clip.hf_model import HFTextEncoder
from open_clip.transformer import TextTransformer, text_global_pool
from torch import Tensor, nn

from clip_in_training.common.errors import BackboneError


class Pooling(NamedTuple):
    """Which state of the last layer stands for the text."""

    kind: str
    """argmax (the largest id, CLIP's end token) | eos (the first `end_id`) | first | last."""
    end_id: int | None
    """For `eos`."""
    causal: bool
    """Does a token see only what stands before it?"""

    @property
    def padding_is_invisible(self) -> bool:
        """May a batch be padded to its longest text?"""
        return self.causal and self.kind in ("argmax", "eos")


def text_pieces(clip: nn.Module) -> Any:
    """The module that holds token_embedding, positional_embedding, transformer, ln_final and text_projection.

    Raises `BackboneError` for towers of other kinds; `name` it in messages.
    """
    if type(clip) is open_clip.CLIP:
        return clip
    text = getattr(clip, "text", None)
    if isinstance(text, HFTextEncoder):
        raise BackboneError(
            "the text encoder is one of transformers, with its own positions: it can only be used "
            'as it is (`backbone.positions = "absolute"`, its own context, trains all or text)'
        )
    if not isinstance(text, TextTransformer):
        raise BackboneError(f"a text encoder of type {type(text).__name__} is not supported")
    if text.cls_emb is not None or text.use_pad_mask:
        raise BackboneError("text encoders with a class token or a padding mask (CoCa) are not supported")
    return text


def pooling(clip: Any) -> Pooling:
    """The rule of a text tower that `text_pieces` knows."""
    pieces = text_pieces(clip)
    kind = pieces.text_pool_type if pieces is clip else pieces.pool_type
    end_id = pieces.text_eos_id if pieces is clip else pieces.eos_id
    return Pooling(kind, end_id if kind == "eos" else None, pieces.attn_mask is not None)


def encode(clip: nn.Module, token_ids: Tensor) -> Tensor:
    """Ids [batch, length] to vectors [batch, embedding_dim], not normalised; any length up to the context."""
    pieces, rule = text_pieces(clip), pooling(clip)
    length = token_ids.shape[1]
    dtype = pieces.transformer.get_cast_dtype()
    states = pieces.token_embedding(token_ids).to(dtype)
    if pieces.positional_embedding is not None:
        states = states + pieces.positional_embedding[:length].to(dtype)
    mask = pieces.attn_mask
    states = pieces.transformer(states, attn_mask=None if mask is None else mask[:length, :length])
    # LayerNorm looks at one state at a time: pooling first gives the same and saves the rest.
    pooled = pieces.ln_final(text_global_pool(states, token_ids, rule.kind, rule.end_id))
    projection = pieces.text_projection
    if projection is None:
        return pooled
    return projection(pooled) if isinstance(projection, nn.Module) else pooled @ projection
