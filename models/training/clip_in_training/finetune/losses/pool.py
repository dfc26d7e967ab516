"""What is contrasted in a step: the vectors of all processes, as if one had made them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, distributed


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
    texts = [text for text in (pool.short, pool.long) if text is not None]
    columns = [pool.images, *texts]
    columns += [mask.to(pool.images.dtype).unsqueeze(1) for mask in (pool.has_short, pool.has_long)]
    rows = torch.cat(columns, dim=1)
    sizes = _sizes(len(rows), pool.pairs, rows.device)
    padding = max(count for count, _ in sizes) - len(rows)
    gathered = _Gather.apply(torch.nn.functional.pad(rows, (0, 0, 0, padding)))
    sources = [part[:pairs] for part, (_, pairs) in zip(gathered, sizes, strict=True)]
    targets = [part[pairs : 2 * pairs] for part, (_, pairs) in zip(gathered, sizes, strict=True)]
    singles = [part[2 * pairs : count] for part, (count, pairs) in zip(gathered, sizes, strict=True)]
    whole = torch.cat([*sources, *targets, *singles])
    *vectors, has_short, has_long = whole.split([*(c.shape[1] for c in columns)], dim=1)
    texts = iter(vectors[1:])
    return replace(
        pool,
        images=vectors[0],
        short=next(texts) if pool.short is not None else None,
        long=next(texts) if pool.long is not None else None,
        has_short=has_short.squeeze(1) > 0.5,
        has_long=has_long.squeeze(1) > 0.5,
        pairs=sum(pairs for _, pairs in sizes),
    )


def _sizes(count: int, pairs: int, device: torch.device) -> list[tuple[int, int]]:
    """(images, pairs) of every process."""
    own = torch.tensor([count, pairs], device=device)
    parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, own)
    return [tuple(part.tolist()) for part in parts]
