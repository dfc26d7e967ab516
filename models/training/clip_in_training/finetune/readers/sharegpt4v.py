"""ShareGPT4V: a JSON list of {"image", "conversations": [question, {"value": description}]}."""

from pathlib import Path

from clip_in_training.finetune.readers.captions import first_sentence, one_line
from clip_in_training.finetune.readers.json_records import JsonRecords
from clip_in_training.finetune.readers.json_source import JsonSingles
from clip_in_training.finetune.readers.reader import RecordError


class ShareGpt4V(JsonSingles):
    """Images with the description that a language model gave of them. Its first sentence is the short
    caption, all of it, line breaks turned into spaces, the long one (so does Long-CLIP).
    """

    required = ("image", "conversations")
    _folder: Path | None = None

    def folder(self, file: JsonRecords) -> Path:
        """Where the first record's image path leads on from, if the recipe names no folder: that of the file,
        `data/` beside it (Long-CLIP's layout), or the one above (that of the project's Data.md).
        """
        if self.recipe.images:
            return Path(self.recipe.images)
        if self._folder is None:
            here = file.path.parent
            try:
                top = Path(str(self.files[0].read(0).get("image"))).parts[0]
            except (RecordError, IndexError):
                top = "."
            places = (here, here / "data", here.parent)
            self._folder = next((place for place in places if (place / top).exists()), here)
        return self._folder

    def pick(self, record: dict) -> tuple[str | None, str | None]:
        """The second turn of the conversation."""
        turns = record.get("conversations")
        answer = turns[1] if isinstance(turns, list) and len(turns) > 1 else None
        long = one_line(answer.get("value")) if isinstance(answer, dict) else None
        return first_sentence(long), long
