"""How near a small tower is to MiniLM-L6: `python -m clip_in_training.small.text.measure --tower FOLDER`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.common.errors import BackboneError, DataError
from clip_in_training.finetune.backbone.backbone import TextRules
from clip_in_training.finetune.backbone.text_backbone import load_text_backbone
from clip_in_training.small.text.corpus import texts
from clip_in_training.small.text.encode import encode_rows
from clip_in_training.small.text.encoder import Encoder
from clip_in_training.small.text.minilm import published_encoder, published_rules
from clip_in_training.small.text.triples import TRIPLES

LENGTHS = ((1, 16), (17, 64), (65, 128))
"""Tokens of the small vocabulary, start and end piece included."""


class Reader:
    """An encoder with its tokenizer."""

    def __init__(self, encoder: Encoder, rules: TextRules):
        self.encoder, self.rules = encoder, rules

    def __call__(self, some: Sequence[str]) -> Tensor:
        """Unit vectors [texts, width]."""
        rows = [self.rules.ids(text) for text in some]
        return functional.normalize(encode_rows(self.encoder, rows), dim=-1)


def teacher() -> Reader:
    """MiniLM-L6 as it was published."""
    return Reader(published_encoder(), published_rules())


def tower(folder: Path, context_length: int = 128) -> Reader:
    """The tower of a folder."""
    backbone = load_text_backbone(folder, context_length)
    return Reader(backbone.encoder, backbone.text_rules)


def measure(small: Reader, whole: Reader, count: int, seed: int) -> dict[str, Any]:
    """Cosines of `small` to `whole` on `count` held-out texts, by length, and what both make of similarities.

    "similarities" is the correlation of all cosines between two of these texts, "neighbour" the share of texts whose
    nearest other text is the same for both, "triples" how many of the ten triples each has right, and "milliseconds"
    the time of one text of each length on one thread.
    """
    some = list(texts(count, seed, held_out=True))
    ours, theirs = small(some), whole(some)
    cosines = (ours * theirs).sum(-1)
    tokens = torch.tensor([len(small.rules.ids(text)) for text in some])
    found: dict[str, Any] = {"all": _spread(cosines)}
    for low, high in LENGTHS:
        rows = (tokens >= low) & (tokens <= high)
        if rows.any():
            found[f"{low}-{high}"] = _spread(cosines[rows])
    similar = [vectors @ vectors.T for vectors in (ours, theirs)]
    above = torch.ones_like(similar[0], dtype=torch.bool).triu(1)
    found["similarities"] = torch.corrcoef(torch.stack([each[above] for each in similar]))[0, 1].item()
    nearest = [each.fill_diagonal_(-1).argmax(1) for each in similar]
    found["neighbour"] = (nearest[0] == nearest[1]).float().mean().item()
    found["triples"] = {"teacher": _right(whole), "tower": _right(small)}
    found["milliseconds"] = {f"{length} tokens": _milliseconds(small, length) for length in (8, 32, 128)}
    return found


def _spread(cosines: Tensor) -> dict[str, float]:
    return {
        "texts": len(cosines),
        "mean": cosines.mean().item(),
        "tenth": cosines.quantile(0.1).item(),
        "worst": cosines.min().item(),
    }


def _right(reader: Reader) -> int:
    """Triples whose other wording is nearer than the other meaning."""
    one, same, other = (reader(column) for column in zip(*TRIPLES, strict=True))
    return int(((one * same).sum(-1) > (one * other).sum(-1)).sum())


@torch.inference_mode()
def _milliseconds(reader: Reader, length: int) -> float:
    """Of processor time, the best of ten."""
    ids = torch.full((1, length), reader.rules.ids("")[-1])
    times = []
    for _ in range(10):
        start = time.process_time()
        reader.encoder(ids)
        times.append(time.process_time() - start)
    return 1000 * min(times)


def table(found: dict[str, Any]) -> str:
    """The measurements in Markdown."""
    rows = ["| tokens | texts | cosine, mean | lowest tenth below | worst |", "|---|---|---|---|---|"]
    for name in ("all", *(f"{low}-{high}" for low, high in LENGTHS)):
        if name in found:
            row = found[name]
            rows.append(
                f"| {name} | {row['texts']} | {row['mean']:.3f} | {row['tenth']:.3f} | {row['worst']:.3f} |"
            )
    triples = found["triples"]
    times = ", ".join(f"{name}: {value:.1f} ms" for name, value in found["milliseconds"].items())
    rows += [
        "",
        f"- correlation of the cosines between texts: {found['similarities']:.3f}",
        f"- nearest text the same: {100 * found['neighbour']:.0f} %",
        f"- triples right: {triples['tower']} of {len(TRIPLES)} (teacher {triples['teacher']})",
        f"- one text, PyTorch, one thread: {times}",
    ]
    return "\n".join(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m clip_in_training.small.text.measure", description=__doc__
    )
    parser.add_argument("--tower", type=Path, required=True, help="folder with encoder.safetensors")
    parser.add_argument("--texts", type=int, default=600, help="held-out texts")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        print(table(measure(tower(options.tower), teacher(), options.texts, options.seed)))
    except (BackboneError, DataError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
