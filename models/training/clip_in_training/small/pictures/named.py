"""The pictures of Noto Color Emoji with their names: what they show, in several languages and groups."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from clip_in_training.common.errors import DataError
from clip_in_training.small.emoji_names import bare, emoji_table
from clip_in_training.small.pictures.held_out import is_held_out
from clip_in_training.small.pinned import pinned_file

STRIKE = 109
"""The only size in which the font has pictures, in Pillow's unit; they are 136 x 128 pixels."""
WIDTH, HEIGHT = 136, 128

_SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff]")
_LINE = re.compile(r"^(?P<codes>[0-9A-F ]+?)\s*; fully-qualified\s*# \S+ E[0-9.]+ (?P<name>.+)$")


@dataclass(frozen=True)
class NamedPicture:
    """One emoji. Skin tones of the same person or hand are its variants, not pictures of their own."""

    characters: str
    name: str
    """Unicode's English short name: "cat face"."""
    group: str
    subgroup: str
    variants: tuple[str, ...] = ()
    """The same in other skin tones."""

    @property
    def held_out(self) -> bool:
        """Whether training never sees it (`held_out.py`)."""
        return is_held_out(self.subgroup, self.name)

    def names(self, language: str = "en") -> tuple[str, ...]:
        """Its names, the usual one first; English ones include aliases. Empty if the language has none.

        Raises `DataError` without the package `emoji`, and ValueError for a language that it does not have.
        """
        return _names(self.characters, self.name, language)

    def picture(self, size: int = HEIGHT, variant: int | None = None) -> Image.Image:
        """RGBA, `size` x `size` pixels, centred, transparent around it. `variant` is an index of `variants`.

        Raises `DataError` if the font is missing.
        """
        characters = self.characters if variant is None else self.variants[variant]
        square = _square(characters)
        if size == square.width:
            return square.copy()
        # Colours of transparent pixels must not bleed into the border.
        return square.convert("RGBa").resize((size, size), Image.Resampling.LANCZOS).convert("RGBA")


@cache
def named_pictures(where: Path | None = None) -> tuple[NamedPicture, ...]:
    """All emoji that the font draws as one picture, in Unicode's order. `where` is the folder of the pinned files.

    Raises `DataError` if a pinned file is missing. Sequences (flags, people with tools) need Pillow's Raqm layout,
    which is in its wheels and needs the system's FriBiDi; without it they are left out.
    """
    group = subgroup = ""
    found: dict[str, NamedPicture] = {}
    variants: dict[str, list[str]] = {}
    font = _font(where)
    for line in pinned_file("groups", where).read_text(encoding="utf-8").splitlines():
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        elif match := _LINE.match(line):
            characters = "".join(chr(int(code, 16)) for code in match["codes"].split())
            if _SKIN_TONES.fullmatch(characters) or not _is_one_picture(characters, font):
                continue
            plain = _SKIN_TONES.sub("", characters)
            if plain != characters:
                variants.setdefault(bare(plain), []).append(characters)
            else:
                found[bare(characters)] = NamedPicture(characters, match["name"], group, subgroup)
    return tuple(
        NamedPicture(p.characters, p.name, p.group, p.subgroup, tuple(variants.get(key, ())))
        for key, p in found.items()
    )


@cache
def _font(where: Path | None = None) -> ImageFont.FreeTypeFont:
    raqm = features.check("raqm")
    layout = ImageFont.Layout.RAQM if raqm else ImageFont.Layout.BASIC
    return ImageFont.truetype(pinned_file("font", where), STRIKE, layout_engine=layout)


def _is_one_picture(characters: str, font: ImageFont.FreeTypeFont) -> bool:
    """Whether the font has one picture for the whole sequence: parts would be side by side, a missing glyph flat."""
    left, top, right, bottom = font.getbbox(characters)
    return right - left <= WIDTH and bottom > top


@lru_cache(maxsize=8192)
def _square(characters: str) -> Image.Image:
    """The picture in a square, its visible part centred."""
    font = _font()
    canvas = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((0, 0), characters, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise DataError(f"the font has no picture for {characters!r}")
    seen = canvas.crop(box)
    square = Image.new("RGBA", (HEIGHT, HEIGHT), (0, 0, 0, 0))
    scale = min(1.0, HEIGHT / max(seen.size))
    if scale < 1:
        seen = seen.convert("RGBa").resize([max(1, round(s * scale)) for s in seen.size]).convert("RGBA")
    square.paste(seen, ((HEIGHT - seen.width) // 2, (HEIGHT - seen.height) // 2))
    return square


@lru_cache(maxsize=65536)
def _names(characters: str, name: str, language: str) -> tuple[str, ...]:
    listed = emoji_table(language).get(bare(characters), ())
    names = (name, *listed) if language == "en" else listed
    unique: dict[str, str] = {}
    for each in names:
        unique.setdefault(re.sub(r"[\W_]+", " ", each).strip().casefold(), each)
    return tuple(unique.values())
