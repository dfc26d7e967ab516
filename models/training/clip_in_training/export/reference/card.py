"""The model card of a reference bundle: its permitted use and its measurements."""

from pathlib import Path

from clip_in_training.export.precision_table import section

TEMPLATE = """# {name}

**The weights are random.** This is the architecture {architecture} of open_clip as `torch.manual_seed({seed})` initialises it. It costs
what a trained model of this architecture costs to run, so it is good for measuring speed and memory, and for nothing else: its
scores mean nothing.

- Images: {size}x{size} px, normalised inside the graph (uint8 in, NHWC). Texts: up to {context} tokens, padded to the
  {padding}. Embeddings: {dim} wide, of unit length. There are no patch vectors.
- Made by `python -m clip_in_training reference --architecture {architecture} --seed {seed}`. Licence: Apache-2.0.

## Precisions

{precisions}

The reference is open_clip itself, where texts are padded to the full {context} tokens.
"""


def card(manifest: dict, folder: Path) -> str:
    """Makes the card from a manifest whose fp32 variant is measured."""
    return TEMPLATE.format(
        name=manifest["name"],
        architecture=manifest["provenance"]["architecture"],
        seed=manifest["provenance"]["seed"],
        size=manifest["image"]["size"][0],
        context=manifest["text"]["context_length"],
        padding="longest of a batch" if manifest["text"]["pad_to"] == "longest" else "full context",
        dim=manifest["embedding_dim"],
        precisions=section(manifest, folder),
    )
