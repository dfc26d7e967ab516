"""What may stand as a caption."""


def caption(text: object) -> str | None:
    """A caption without NUL bytes and outer white space; None if nothing is left, or if it is no text."""
    if not isinstance(text, str):
        return None
    return text.replace("\0", " ").strip() or None


def first_sentence(text: str | None) -> str | None:
    """The short caption of a description: what stands before the first ". "."""
    return text and caption(text.split(". ", 1)[0])


def one_line(text: object) -> str | None:
    """A caption with its line breaks turned into spaces."""
    return caption(text.replace("\n", " ")) if isinstance(text, str) else None
