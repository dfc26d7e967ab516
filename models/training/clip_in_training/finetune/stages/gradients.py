"""The gradient of one step of stage 2, in one pass or in chunks.

In chunks, as in GradCache (arXiv 2101.06983): encode everything without a graph, take the gradient of the
loss with respect to the vectors, then encode chunk after chunk again, with a graph, and feed each its
vectors' gradient. The pool stays whole, only one chunk's activations are in memory, and the forward pass is
done twice.
"""

import contextlib

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clip_in_training.common.autocast import Autocast
from clip_in_training.common.loop import NotANumber
from clip_in_training.finetune.losses.clip_in import ClipInLoss
from clip_in_training.finetune.losses.pool import Pool, gather
from clip_in_training.finetune.readers.records import Batch
from clip_in_training.finetune.stages.encoder import TEXTS, Encoder, Part, Vectors, by_row, parts


class StepGradient:
    """Leaves a step's gradient in the parameters.

    `encoder` is an `Encoder`, or DDP around one: then the gradient is the same on every process, that of the
    whole batch of all of them.
    """

    def __init__(
        self,
        encoder: nn.Module,
        loss: ClipInLoss,
        chunk: int,
        autocast: Autocast,
        start: Encoder | None = None,
    ):
        """`start` is what training started from, frozen, if a term reads its vectors."""
        self.encoder, self.loss, self.chunk, self.autocast = encoder, loss, chunk, autocast
        self.start = start
        self.reads = {kind: loss.needs(kind) for kind in TEXTS}

    def __call__(self, batch: Batch, device: torch.device) -> dict[str, Tensor]:
        """Forward and backward. Returns the terms, "loss" and "logit_scale", detached.

        Raises `NotANumber` before any gradient is made if the loss is none, on all processes alike.
        """
        todo = parts(batch, self.chunk, self.reads, device)
        return self._whole(batch, todo[0]) if len(todo) == 1 else self._chunks(batch, todo)

    def _whole(self, batch: Batch, part: Part) -> dict[str, Tensor]:
        with self.autocast():
            vectors = self.encoder(part.pixels, part.short, part.long, part.prompt)
        terms = self._terms(batch, [part], vectors)
        terms["loss"].backward()
        return {name: term.detach() for name, term in terms.items()}

    def _chunks(self, batch: Batch, todo: list[Part]) -> dict[str, Tensor]:
        states, made = [], []
        for part in todo:
            states.append(RandomState())
            with torch.no_grad(), self.autocast():
                made.append(self.encoder(part.pixels, part.short, part.long, part.prompt))
        images = _leaf(tuple(vectors.images for vectors in made))
        assert images is not None
        leaves = Vectors(
            images,
            _leaf(tuple(vectors.short for vectors in made)),
            _leaf(tuple(vectors.long for vectors in made)),
            _leaf(tuple(vectors.prompt for vectors in made)),
            made[0].scale.detach().requires_grad_(),
            made[0].bias.detach().requires_grad_(),
        )
        terms = self._terms(batch, todo, leaves)
        terms["loss"].backward()
        given = [
            _split(leaf, column) for leaf, column in zip(leaves[:4], zip(*made, strict=True), strict=False)
        ]
        last = len(todo) - 1
        for index, (part, state) in enumerate(zip(todo, states, strict=True)):
            # Gradients of processes are averaged once, with the last chunk.
            encoder = self.encoder
            several = isinstance(encoder, DistributedDataParallel) and index < last
            with encoder.no_sync() if several else contextlib.nullcontext():  # type: ignore[operator]
                with state.again(), self.autocast():
                    vectors = self.encoder(part.pixels, part.short, part.long, part.prompt)
                pairs = list(zip(vectors[:4], (column[index] for column in given), strict=True))
                if index == last:
                    pairs += [(vectors.scale, leaves.scale.grad), (vectors.bias, leaves.bias.grad)]
                pairs = [(v, g) for v, g in pairs if v is not None and g is not None and v.requires_grad]
                if pairs:
                    torch.autograd.backward([v for v, _ in pairs], [g for _, g in pairs])
        return {name: term.detach() for name, term in terms.items()}

    def _terms(self, batch: Batch, todo: list[Part], vectors: Vectors) -> dict[str, Tensor]:
        """The loss on the pool of all processes. Not under autocast: logits of 100 · cosine need fp32."""
        images, device = vectors.images, vectors.images.device
        laid: dict[str, Tensor | None] = {}
        for kind in TEXTS:
            rows, first = [], 0
            for part in todo:
                rows.append(getattr(part, f"{kind}_rows") + first)
                first += len(part.pixels)
            read = self.reads[kind] and getattr(batch, kind) is not None
            laid[kind] = by_row(getattr(vectors, kind), torch.cat(rows).long(), images) if read else None
        keys = {f"{kind}_keys": getattr(batch, f"{kind}_keys") for kind in TEXTS if laid[kind] is not None}
        own = Pool(
            images=images,
            short=laid["short"],
            long=laid["long"],
            has_short=batch.has_short.to(device),
            has_long=batch.has_long.to(device),
            pairs=batch.pairs,
            scale=vectors.scale,
            bias=vectors.bias,
            prompt=laid["prompt"],
            has_prompt=None
            if laid["prompt"] is None or batch.has_prompt is None
            else batch.has_prompt.to(device),
            **{name: None if value is None else value.to(device) for name, value in keys.items()},
            **self._by_start(batch, todo),
        )
        terms = self.loss(gather(own))
        if not torch.isfinite(terms["loss"]):
            bad = torch.zeros(len(images), dtype=torch.bool, device=device)
            for column in (images, *laid.values()):
                if column is not None:
                    bad |= ~torch.isfinite(column.detach()).all(1)
            raise NotANumber(bad.nonzero().squeeze(1).tolist())
        return {**terms, "logit_scale": vectors.scale}

    @torch.no_grad()
    def _by_start(self, batch: Batch, todo: list[Part]) -> dict[str, Tensor]:
        """The start's vectors of single images and their captions, laid out by row; zeros elsewhere."""
        if self.start is None:
            return {}
        like = next(self.start.parameters())
        shape = (len(batch.pixels), self.start.backbone.embedding_dim)
        names = ["images", *(kind for kind in ("short", "long") if self.reads[kind])]
        laid = {name: torch.zeros(shape, dtype=like.dtype, device=like.device) for name in names}
        offset = 0
        for part in todo:
            first = max(0, 2 * batch.pairs - offset)
            if first < len(part.pixels):
                texts, rows = {}, {"images": torch.arange(first, len(part.pixels), device=like.device)}
                for kind in names[1:]:
                    column, where = getattr(part, kind), getattr(part, f"{kind}_rows")
                    single = where >= first
                    texts[kind] = column[single] if column is not None and single.any() else None
                    rows[kind] = where[single]
                with self.autocast():
                    made = self.start(part.pixels[first:], texts.get("short"), texts.get("long"))
                for name in names:
                    vectors = getattr(made, name)
                    if vectors is not None:
                        laid[name][offset + rows[name].long()] = vectors.to(like.dtype)
            offset += len(part.pixels)
        return {f"start_{name}": vectors for name, vectors in laid.items()}


class RandomState:
    """What dropout draws from, now; `again` draws the same once more and leaves no trace."""

    def __init__(self):
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    @contextlib.contextmanager
    def again(self):
        """Inside, random numbers are those that followed when this was made."""
        devices = [torch.cuda.current_device()] if self.cuda is not None else []
        with torch.random.fork_rng(devices):
            torch.set_rng_state(self.cpu)
            if self.cuda is not None:
                torch.cuda.set_rng_state(self.cuda)
            yield


def _leaf(column: tuple[Tensor | None, ...]) -> Tensor | None:
    """What chunks made of one kind, as one tensor to take the gradient of."""
    there = [vectors for vectors in column if vectors is not None]
    return torch.cat(there).requires_grad_() if there else None


def _split(leaf: Tensor | None, column: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    """The gradient of a leaf, chunk by chunk."""
    if leaf is None or leaf.grad is None:
        return [None] * len(column)
    found, start = [], 0
    for vectors in column:
        count = 0 if vectors is None else len(vectors)
        found.append(leaf.grad[start : start + count] if count else None)
        start += count
    return found
