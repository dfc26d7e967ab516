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


def difference(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of first - second in points, each (right, count) of its own sample, by Newcombe's method."""
    (a, n), (b, m) = first, second
    if not n or not m:
        return -100.0, 100.0
    (low_a, high_a), (low_b, high_b) = wilson(a, n), wilson(b, m)
    share_a, share_b = 100 * a / n, 100 * b / m
    down = math.hypot(share_a - low_a, high_b - share_b)
    up = math.hypot(high_a - share_a, share_b - low_b)
    return share_a - share_b - down, share_a - share_b + up
