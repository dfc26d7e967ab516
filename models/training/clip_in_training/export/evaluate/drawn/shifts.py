"""Other words and worse pictures than training has shown: how much of the pair accuracy is left."""

import re
from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageFilter

_DIGITS = {"a single": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}
_NUMBER = re.compile(r"\b(a single|one|two|three|four|five|six)\b(?! (?:prongs|holes|sides))", re.IGNORECASE)
_CODE = re.compile(r'("[^"]*")')
_LITTLE = re.compile(
    r"\b(?:a|an|the|and|with|its|it|is|in|on|of|to|together|that|reading|by)\b", re.IGNORECASE
)


def digits(text: str, random: Random) -> str:
    """Counts of parts in digits: "3 red washers"."""
    parts = re.split(_CODE, text)
    return "".join(
        part if part.startswith('"') else _NUMBER.sub(lambda found: _DIGITS[found[0].lower()], part)
        for part in parts
    )


def keywords(text: str, random: Random) -> str:
    """Without the small words, in lower case but for codes: "red bolt left, three washers"."""
    parts = re.split(_CODE, text.rstrip("."))
    parts = [part if part.startswith('"') else _LITTLE.sub(" ", part).lower() for part in parts]
    return " ".join("".join(parts).split())


def typo(text: str, random: Random) -> str:
    """Two neighbouring letters of one word of at least four letters change places; codes are left alone."""
    words = [m for m in re.finditer(r'(?<!")\b[A-Za-z]{4,}\b(?!")', text)]
    if not words:
        return text
    word = random.choice(words)
    places = [i for i in range(word.start() + 1, word.end() - 1) if text[i] != text[i + 1]]
    if not places:
        return text
    at = random.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def blurred(image: Image.Image, random: Random) -> Image.Image:
    """Gaussian blur with a standard deviation of one pixel."""
    return image.convert("RGB").filter(ImageFilter.GaussianBlur(1))


def noisy(image: Image.Image, random: Random) -> Image.Image:
    """Independent noise on each colour of each pixel, standard deviation 16 of 255."""
    pixels = np.asarray(image.convert("RGB"), dtype=float)
    noise = np.random.default_rng(random.getrandbits(62)).normal(0, 16, pixels.shape)
    return Image.fromarray((pixels + noise).round().clip(0, 255).astype(np.uint8))


TEXTS: dict[str, Callable[[str, Random], str]] = {
    "counts in digits": digits,
    "keywords only": keywords,
    "two letters of a word change places": typo,
}
IMAGES: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    "blur, 1 px": blurred,
    "noise, 16 of 255": noisy,
}
