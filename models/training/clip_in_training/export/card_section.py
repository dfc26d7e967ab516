"""Sections of a bundle's model card that code writes, between two comments."""

from pathlib import Path

from clip_in_training.common.whole_file import replace_text


def put_section(folder: Path, begin: str, end: str, title: str, section: str) -> None:
    """Replaces the section from `begin` to `end` in `model-card.md`, or appends it below `title` if there is none.

    `section` includes these two comments.
    """
    path = folder / "model-card.md"
    text = path.read_text(encoding="utf-8")
    if begin in text and end in text:
        before, rest = text.split(begin, 1)
        text = before + section + rest.split(end, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{title}\n\n{section}\n"
    replace_text(path, text)
