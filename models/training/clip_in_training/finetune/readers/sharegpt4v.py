"""ShareGPT4V: a JSON list of {"image", "conversations": [question, {"value": description}]}."""

from clip_in_training.finetune.readers.captions import first_sentence, one_line
from clip_in_training.finetune.readers.json_source import JsonSingles


class ShareGpt4V(JsonSingles):
    """Images with the description that a language model gave of them. Its first sentence is the short
    caption, all of it, line breaks turned into spaces, the long one (so does Long-CLIP).
    """

    required = ("image", "conversations")

    def pick(self, record: dict) -> tuple[str | None, str | None]:
        """The second turn of the conversation."""
        turns = record.get("conversations")
        answer = turns[1] if isinstance(turns, list) and len(turns) > 1 else None
        long = one_line(answer.get("value")) if isinstance(answer, dict) else None
        return first_sentence(long), long
