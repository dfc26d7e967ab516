"""How sure a share is."""

import math

_Z = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share, in percent, by Wilson's score, which holds near 0 and 100 % too. (0, 100) of none."""
    if count == 0:
        return 0.0, 100.0
    share, spread = right / count, _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def percent(right: int, count: int) -> str:
    """ "93.2 (92.1–94.2)", or "–" of none."""
    if count == 0:
        return "–"
    low, high = wilson(right, count)
    return f"{100 * right / count:.1f} ({low:.1f}–{high:.1f})"
