"""DOCCI as it is published (docci_descriptions.jsonlines and docci_images.tar.gz of google.github.io/docci): JSON
lines of {"example_id", "split", "image_file", "description"}, images in `images/` beside it.
"""

from pathlib import Path

import numpy as np

from clip_in_training.finetune.readers.captions import first_sentence, one_line
from clip_in_training.finetune.readers.json_records import JsonRecords
from clip_in_training.finetune.readers.json_source import JsonSingles
from clip_in_training.finetune.readers.reader import RecordError

TRAIN = "train"


class Docci(JsonSingles):
    """Images with long descriptions by people; the first sentence is the short caption.

    Only the split `train` is used: the others are a benchmark, and lie in the same file.
    """

    image_keys = ("image_file", "image")
    required = (image_keys, "description", "split")

    def _keep(self) -> np.ndarray:
        kept, row = [], -1
        for file in self.files:
            for inside in range(len(file)):
                row += 1
                try:
                    split = file.read(inside).get("split")
                except RecordError:
                    split = TRAIN  # Kept, so that it is counted as broken when its turn comes.
                if split == TRAIN:
                    kept.append(row)
        if len(kept) < self.total:
            self.left_out["split other than train"] = self.total - len(kept)
        return np.array(kept, dtype=np.int32)

    def folder(self, file: JsonRecords) -> Path:
        """`images/` beside the file, if it is there and the recipe names no other."""
        beside = file.path.parent / "images"
        return beside if not self.recipe.images and beside.is_dir() else super().folder(file)

    def pick(self, record: dict) -> tuple[str | None, str | None]:
        """The description."""
        long = one_line(record.get("description"))
        return first_sentence(long), long
