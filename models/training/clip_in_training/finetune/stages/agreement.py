"""How well a student text encoder stands in for its teacher, and what it makes of longer texts."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from clip_in_training.finetune.backbone.backbone import Backbone, TextRules
from clip_in_training.finetune.readers.records import Batch

BUCKETS = (8, 16, 32, 64, 128, 256)
"""Upper ends of the length buckets, in tokens."""


def lengths(ids: Tensor, end_id: int) -> Tensor:
    """int64 [texts]: tokens of each row, up to and including the end token."""
    return (ids == end_id).to(torch.int64).argmax(dim=1) + 1


def cut_to(ids: Tensor, cut: int, end_id: int) -> Tensor:
    """The first `cut` tokens of each row; one that is longer ends with the end token there."""
    prefix = ids[:, :cut].clone()
    prefix[lengths(ids, end_id) > cut, -1] = end_id
    return prefix


def own_padding(ids: Tensor, rules: TextRules) -> Tensor:
    """Texts that were padded for another context, padded for this one; they must fit it."""
    if rules.pad_to == "longest":
        return ids
    filling = rules.pad([rules.ids("")])[0, -1].item()
    return torch.nn.functional.pad(ids, (0, rules.context_length - ids.shape[1]), value=filling)


@torch.inference_mode()
def agreement(student: Backbone, teacher_vectors: Tensor, ids: Tensor, counts: list[int]) -> dict[str, Any]:
    """Cosines of the student's vectors to the teacher's, over all texts and by length.

    `ids` are the prefixes that both read, `counts` their lengths in tokens.
    """
    cosine = (
        (student.encode_text(own_padding(ids, student.text_rules)) * teacher_vectors).sum(-1).float().cpu()
    )
    table, low = {}, 0
    for high in BUCKETS:
        rows = [low < count <= high for count in counts]
        if any(rows):
            table[f"{low + 1}-{high}"] = _mean_and_worst(cosine[torch.tensor(rows)])
        low = high
    return {"all": _mean_and_worst(cosine), "by_length": table}


def _mean_and_worst(cosine: Tensor) -> dict[str, float]:
    return {"texts": len(cosine), "mean": cosine.mean().item(), "worst": cosine.min().item()}


@torch.inference_mode()
def longer_context(
    student: Backbone, teacher: Backbone, batches: Iterable[Batch], cut: int
) -> dict[str, Any] | None:
    """What reading more than `cut` tokens changes: of long captions that have more, and their images.

    Cosine between the vectors of the whole text and of its first `cut` tokens, and how many images find their
    own caption first (R@1 among all of these), by the teacher, by the student cut, and by the student reading
    all. None if no caption is longer.
    """
    device, end_id = next(student.parameters()).device, student.text_rules.ids("")[-1]
    images, whole, short, taught = [], [], [], []
    seen: set[str] = set()
    for batch in batches:
        ids = batch.long.to(device)
        # In a later epoch images come again: one that is there twice could not find its caption first.
        fresh = torch.tensor([name not in seen for name in batch.names], device=device)
        seen.update(batch.names)
        rows = fresh & batch.has_long.to(device) & (lengths(ids, end_id) > cut)
        if not rows.any():
            continue
        ids = ids[rows]
        prefix = cut_to(ids, cut, end_id)
        images.append(teacher.encode_image(batch.pixels.to(device)[rows]))
        whole.append(student.encode_text(ids))
        short.append(student.encode_text(own_padding(prefix, student.text_rules)))
        taught.append(teacher.encode_text(own_padding(prefix, teacher.text_rules)))
    if not images:
        return None
    seen_images, read_whole, read_cut, by_teacher = (
        torch.cat(part).float().cpu() for part in (images, whole, short, taught)
    )
    right = torch.arange(len(seen_images))

    def first(texts: Tensor) -> float:
        return ((seen_images @ texts.T).argmax(1) == right).float().mean().item()

    return {
        "captions": len(seen_images),
        "cut": cut,
        "cosine_whole_to_cut": (read_whole * read_cut).sum(-1).mean().item(),
        "recall_at_1": {
            "teacher, cut": first(by_teacher),
            "student, cut": first(read_cut),
            "student, whole": first(read_whole),
        },
    }
