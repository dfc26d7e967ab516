"""Test texts: captions and labels of four to twelve words, drawn from a seed."""

import random

WORDS = """
a the one two three small large red green blue white black yellow grey metal wooden plastic glass bolt plate
mug bottle label cable gear box shelf table street bridge river window door dog cat bird horse person child
car bicycle train standing lying scratched bent broken clean dirty open closed full empty left right above
below behind beside near under on in with without photo drawing close view of morning evening light shadow
corner edge surface crack stain dent missing extra upside tilted stacked wrapped rusty polished printed
handwritten number letter stripe pattern round square
""".split()


def captions(count: int, seed: int = 0) -> list[str]:
    """Different texts of 4 to 12 words."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(rng.choices(WORDS, k=rng.randint(4, 12)))] = None
    return list(found)
