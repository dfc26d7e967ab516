"""Edits as JSON lines: {"source_image", "target_image", "source_caption", "target_caption"} and, if there are
any, "edit_prompt", "category", "source_caption_long", "target_caption_long"; images are files.
"""

from clip_in_training.finetune.readers.captions import caption
from clip_in_training.finetune.readers.edit_table import CAPTIONS, LONG_CAPTIONS, PROMPT
from clip_in_training.finetune.readers.json_source import JsonSource, texts
from clip_in_training.finetune.readers.reader import RecordError
from clip_in_training.finetune.readers.records import EditPair, View

IMAGES = ("source_image", "target_image")


class EditJsonLines(JsonSource):
    """One's own edits: two images a line, with what is said about each."""

    role = "edits"
    required = (*IMAGES, *CAPTIONS)

    def read(self, row: int) -> EditPair:
        """An edit with both images."""
        file, inside, record = self._record(row)
        views = []
        for side in (0, 1):
            short = caption(record.get(CAPTIONS[side]))
            if short is None:
                raise RecordError(file.path, inside, f"no {CAPTIONS[side]}")
            image = self.image(file, inside, record, IMAGES[side])
            views.append(View(image, short, caption(record.get(LONG_CAPTIONS[side]))))
        category = record.get("category")
        source, target = views
        named = category if isinstance(category, str) else None
        return EditPair(
            source, target, name=f"{file.path}:{inside}", category=named, prompt=caption(record.get(PROMPT))
        )

    def captions(self, row: int) -> list[str]:
        """The captions of both sides; no image is opened."""
        file, inside, record = self._record(row)
        found = texts(record, (*CAPTIONS, *LONG_CAPTIONS))
        if not found:
            raise RecordError(file.path, inside, "no caption")
        return found
