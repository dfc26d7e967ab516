"""What is contrasted in a step: the vectors of all processes, as if one had made them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional


@dataclass
class Pool:
    """Unit vectors of a batch; row i of everything belongs to image i.

    The first `pairs` rows are sources of edits, the next `pairs` their targets, the rest single images. Texts
    are there only if a term reads them; rows whose mask is false hold nothing of meaning.
    """

    images: Tensor
    """[images, embedding_dim]."""
    short: Tensor | None
    long: Tensor | None
    has_short: Tensor
    """bool [images]."""
    has_long: Tensor
    pairs: int
    scale: Tensor
    """exp(logit_scale)."""
    bias: Tensor
    """Logit bias of the sigmoid family, else 0."""
    prompt: Tensor | None = None
    """What an edit changes, in words: [images, embedding_dim], in the targets' rows."""
    has_prompt: Tensor | None = None
    short_keys: Tensor | None = None
    """int64 [images]: equal keys, equal captions; None if nothing is known of that."""
    long_keys: Tensor | None = None
    prompt_keys: Tensor | None = None
    start_images: Tensor | None = None
    """What the model that training started from makes of the single images, [images, embedding_dim]; None if no term
    reads it.
    """
    start_short: Tensor | None = None
    start_long: Tensor | None = None


_VECTORS = ("images", "short", "long", "prompt", "start_images", "start_short", "start_long")
_MASKS = ("has_short", "has_long", "has_prompt")
_KEYS = ("short_keys", "long_keys", "prompt_keys")


class _Gather(torch.autograd.Function):
    """Rows of all processes, each padded to the same number, as one tensor [processes, rows, width].

    Every process goes on to compute the same loss of the same rows, so the gradient of what it gathered is
    known to each: backward needs no message. It is multiplied by the number of processes because DDP divides
    by it: then the averaged gradient is that of one process with the whole batch.
    """

    @staticmethod
    def forward(ctx, rows: Tensor) -> Tensor:
        world = distributed.get_world_size()
        parts = [torch.empty_like(rows) for _ in range(world)]
        distributed.all_gather(parts, rows.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient[distributed.get_rank()] * distributed.get_world_size()


def gather(pool: Pool) -> Pool:
    """The pool of all processes, in the order sources, targets, singles; itself if there is one process.

    Every process must call it in the same step and compute the whole loss from it (see `_Gather`). Batches
    may differ in size. Memory grows with the whole pool on each process: at 8 processes of 1,024 images, the
    logits of one CLIP loss are 256 MB.
    """
    if not (distributed.is_initialized() and distributed.get_world_size() > 1):
        return pool
    there = {name: value for name in (*_VECTORS, *_MASKS) if (value := getattr(pool, name)) is not None}
    dtype = pool.images.dtype
    columns = [value.to(dtype).unsqueeze(1) if name in _MASKS else value for name, value in there.items()]
    rows = torch.cat(columns, dim=1)
    sizes = _sizes(len(rows), pool.pairs, rows.device)
    most = max(count for count, _ in sizes)
    padded = functional.pad(rows, (0, 0, 0, most - len(rows)))
    whole = _in_order(_Gather.apply(padded).unbind(0), sizes)
    pieces = whole.split([column.shape[1] for column in columns], dim=1)
    found: dict[str, Any] = {
        name: piece.squeeze(1) > 0.5 if name in _MASKS else piece
        for name, piece in zip(there, pieces, strict=True)
    }
    for name in _KEYS:
        keys = getattr(pool, name)
        if keys is not None:
            own = functional.pad(keys, (0, most - len(keys)))
            parts = [torch.empty_like(own) for _ in sizes]
            distributed.all_gather(parts, own)
            found[name] = _in_order(parts, sizes)
    return replace(pool, pairs=sum(pairs for _, pairs in sizes), **found)


def _in_order(parts: Sequence[Tensor], sizes: list[tuple[int, int]]) -> Tensor:
    """Rows of all processes: sources, targets, singles."""
    sources = [part[:pairs] for part, (_, pairs) in zip(parts, sizes, strict=True)]
    targets = [part[pairs : 2 * pairs] for part, (_, pairs) in zip(parts, sizes, strict=True)]
    singles = [part[2 * pairs : count] for part, (count, pairs) in zip(parts, sizes, strict=True)]
    return torch.cat([*sources, *targets, *singles])


def _sizes(count: int, pairs: int, device: torch.device) -> list[tuple[int, int]]:
    """(images, pairs) of every process."""
    own = torch.tensor([count, pairs], device=device)
    parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, own)
    return [tuple(part.tolist()) for part in parts]
