"""Makes what stage 1 of the text tower reads: `python -m clip_in_training.small.text.prepare --out FOLDER`.

The folder gets `start/` (the student before training), `texts.txt` and `vectors.npy` (the teacher's vector of each
text), and `prepared.json`, which says how they were made. The teacher's vectors take most of the time; they are
written in blocks, and a call that was stopped goes on where it was.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch.nn import functional

from clip_in_training.common.errors import DataError
from clip_in_training.common.whole_file import replace_text
from clip_in_training.finetune.backbone.text_backbone import text_rules
from clip_in_training.finetune.backbone.text_rules import TokenizerRules
from clip_in_training.finetune.readers.texts import TEXTS, VECTORS
from clip_in_training.small.text.corpus import texts
from clip_in_training.small.text.encode import encode_rows
from clip_in_training.small.text.encoder import Encoder
from clip_in_training.small.text.folder import save_tower
from clip_in_training.small.text.minilm import published_encoder, published_rules, published_tokenizer
from clip_in_training.small.text.start import fit_projection, student
from clip_in_training.small.text.vocabulary import choose, trimmed, word_counts

BLOCK = 500
"""Texts between two writes."""
FITTED = 4000
"""Texts that the projection is fitted to."""
MADE, START = "prepared.json", "start"


def prepare(
    out: Path, layers: Sequence[int], pieces: int, context_length: int, count: int, seed: int
) -> dict[str, Any]:
    """Makes the folder; a finished one of the same settings is kept. Returns the settings.

    Texts that need more than `context_length` tokens are left out, so `texts.txt` has a few less than `count`. Raises
    `DataError` if a package is missing, or if `out` was made with other settings.
    """
    settings: dict[str, Any] = {
        "layers": list(layers),
        "pieces": pieces,
        "context_length": context_length,
        "texts": count,
        "seed": seed,
    }
    made = out / MADE
    if made.is_file():
        if json.loads(made.read_text(encoding="utf-8")) != settings:
            raise DataError(f"{out} was made with other settings, which {made} has: remove the folder")
        return settings
    out.mkdir(parents=True, exist_ok=True)
    described, teacher = published_tokenizer(), published_encoder()
    kept = choose(described, pieces, word_counts())
    tokenizer = trimmed(described, kept)
    rules = text_rules(tokenizer, context_length)
    chosen = [text for text in texts(count, seed) if _fits(text, rules)]
    replace_text(out / TEXTS, "".join(f"{text}\n" for text in chosen))
    taught = teach(teacher, chosen, out)
    small = student(teacher, layers, torch.tensor([described["model"]["vocab"][piece] for piece in kept]))
    fit(small, rules, chosen[:FITTED], torch.from_numpy(taught[:FITTED].astype(np.float32)))
    save_tower(small, tokenizer, out / START)
    replace_text(made, json.dumps(settings))
    return settings


def fit(encoder: Encoder, rules: TokenizerRules, some: Sequence[str], taught: torch.Tensor) -> None:
    """Fits the projection of a new student to the teacher's vectors [texts, width]."""
    fit_projection(encoder, encode_rows(encoder, [rules.ids(text) for text in some]), taught)


def teach(teacher: Encoder, chosen: Sequence[str], out: Path) -> np.ndarray:
    """The teacher's vectors of the texts, fp16 [texts, width], also written to `vectors.npy` in `out`.

    Blocks that a stopped call left there are used if they are of the same texts.
    """
    rules, rest, blocks = published_rules(), iter(chosen), out / "blocks"
    blocks.mkdir(exist_ok=True)
    found = []
    for number, block in enumerate(_blocks(rest)):
        # The checksum is in the name: a call with other settings has other texts, and must not take these vectors.
        checksum = crc32("\n".join(block).encode())
        path = blocks / f"{number:05d}-{checksum:08x}.npy"
        if not path.is_file():
            vectors = functional.normalize(encode_rows(teacher, [rules.ids(text) for text in block]), dim=-1)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, vectors.numpy().astype(np.float16))
            partial.replace(path)
            print(f"teacher: {min((number + 1) * BLOCK, len(chosen))} of {len(chosen)} texts", flush=True)
        found.append(np.load(path))
    taught = np.concatenate(found)
    np.save(out / VECTORS, taught)
    shutil.rmtree(blocks)
    return taught


def _blocks(rest: Iterator[str]) -> Iterator[list[str]]:
    while block := list(islice(rest, BLOCK)):
        yield block


def _fits(text: str, rules: TokenizerRules) -> bool:
    """Whether no token would be cut off, and the text is one line."""
    longer = rules.with_context(rules.context_length + 1)
    return "\n" not in text and len(longer.ids(text)) <= rules.context_length


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m clip_in_training.small.text.prepare", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder")
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 4, 5], help="of MiniLM's 0 to 5")
    parser.add_argument("--pieces", type=int, default=8192, help="size of the vocabulary")
    parser.add_argument("--context-length", type=int, default=128, help="longest text in tokens")
    parser.add_argument("--texts", type=int, default=16_000, help="texts to learn from")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    try:
        prepare(
            options.out, options.layers, options.pieces, options.context_length, options.texts, options.seed
        )
    except (DataError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
