"""Typefaces for printed codes, from pinned packages with the Open Font Licence."""

from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.small.packages import module_folder

FAMILIES: dict[str, tuple[str, str]] = {
    "Arvo": ("fontpkg_arvo", "Arvo-Bold.ttf"),
    "DM Mono": ("fontpkg_dm_mono", "DMMono-Medium.ttf"),
    "PT Serif": ("fontpkg_pt_serif", "PT_Serif-Web-Regular.ttf"),
    "Fjalla One": ("fontpkg_fjalla_one", "FjallaOne-Regular.ttf"),
    "Lato": ("fontpkg_lato", "Lato-Regular.ttf"),
}
"""Family: package and file. Slab serif, monospaced, serif, narrow, sans serif. Pillow's own is Aileron."""

HELD_OUT: dict[str, tuple[str, str]] = {
    "Space Mono": ("fontpkg_space_mono", "SpaceMono-Regular.ttf"),
    "Barlow": ("fontpkg_barlow", "Barlow-Medium.ttf"),
}
"""Families for evaluation that training never prints with."""


def typeface(family: str) -> Path:
    """The font file of a family. Raises `DataError` if its package is not installed, KeyError if it is unknown."""
    package, file = (FAMILIES | HELD_OUT)[family]
    folder = module_folder(package)
    path = folder / "files" / file if folder else None
    if path is None or not path.is_file():
        raise DataError(f"the typeface {family} is not installed: pip install 'models/training[small]'")
    return path


def typefaces() -> tuple[Path, ...]:
    """The five font files of training. Raises `DataError` if one is missing."""
    return tuple(typeface(family) for family in FAMILIES)
