"""What a model in training is worth on held-out data: edits by MMVP's rule, single images by retrieval."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clip_in_training.common.errors import DataError
from clip_in_training.export.evaluate.pairs import pair_is_right, pair_similarity
from clip_in_training.export.evaluate.retrieval import recall
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.readers.reader import Reader, RecordError
from clip_in_training.finetune.readers.records import EditPair, View
from clip_in_training.finetune.readers.sources import open_sources
from clip_in_training.finetune.recipe import ValidationRecipe


@dataclass
class _Held:
    """Images with a caption each, ready for the encoders; of edits, sources and targets in turn."""

    kind: str
    """pairs | retrieval."""
    pixels: Tensor
    """uint8 [images, size, size, 3]."""
    texts: list[list[int]]


class Validation:
    """The held-out data of `[validation]`, read once and kept in memory: `size`² × 3 bytes an image."""

    def __init__(self, recipe: ValidationRecipe, backbone: Backbone):
        """Raises `RecipeError`, and `DataError` if a source is empty or nothing of it can be read.

        Records that cannot be read are passed over; so are single images whose caption another one has.
        """
        self.chunk = recipe.chunk
        limited = [replace(source, limit=source.limit or recipe.records) for source in recipe.sources]
        self.held = [_read(reader, backbone) for reader in open_sources(limited)]

    @torch.inference_mode()
    def measure(self, backbone: Backbone) -> dict[str, float]:
        """Percentages: "pairs" (text → image, short captions; guessing gives 25), "image_to_text" and
        "text_to_image" (R@1, short captions, long ones where there is no short one), each the mean over its
        sources, and "score", the mean of these. `backbone` must be in evaluation mode.
        """
        found: dict[str, list[float]] = {}
        for held in self.held:
            images = self._in_chunks(backbone, held.pixels, backbone.encode_image).numpy()
            ids = backbone.text_rules.pad(held.texts)
            texts = self._in_chunks(backbone, ids, backbone.encode_text).numpy()
            if held.kind == "pairs":
                shape = (len(images) // 2, 2, -1)
                right = pair_is_right(pair_similarity(images.reshape(shape), texts.reshape(shape)))
                found.setdefault("pairs", []).append(100 * float(right.mean()))
            else:
                found.setdefault("image_to_text", []).append(recall(images, texts, 1))
                found.setdefault("text_to_image", []).append(recall(texts, images, 1))
        means = {name: sum(values) / len(values) for name, values in found.items()}
        return {**means, "score": sum(means.values()) / len(means)}

    def _in_chunks(self, backbone: Backbone, inputs: Tensor, encode) -> Tensor:
        device = next(backbone.parameters()).device
        parts = [encode(part.to(device)).float().cpu() for part in inputs.split(self.chunk)]
        return torch.cat(parts)


def _read(reader: Reader, backbone: Backbone) -> _Held:
    views: list[Sequence[View]] = []
    said: set[str] = set()
    for row in range(len(reader)):
        try:
            record = reader.read(row)
        except RecordError:
            continue
        if isinstance(record, EditPair):
            views.append((record.source, record.target))
        elif (text := _caption(record.view)) not in said:
            said.add(text)
            views.append((record.view,))
    if not views:
        raise DataError(f"validation: none of the {len(reader)} records of {reader} can be read")
    flat = [view for record in views for view in record]
    return _Held(
        kind="pairs" if reader.role == "edits" else "retrieval",
        pixels=torch.stack([backbone.preprocess(view.image) for view in flat]),
        texts=[backbone.text_rules.ids(_caption(view)) for view in flat],
    )


def _caption(view: View) -> str:
    return view.short or view.long or ""
