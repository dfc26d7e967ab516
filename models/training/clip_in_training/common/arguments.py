"""Values of options that several commands check alike."""

import argparse


def count(text: str) -> int:
    """A whole number of at least 1. Raises `ArgumentTypeError`, which argparse prints."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text[:40]!r}")
    return number
