"""The model card of a reference: what it must not be used for, and what was measured."""

from pathlib import Path

TEMPLATE = """# {name}

**The weights are random.** This is the architecture {architecture} of open_clip as `torch.manual_seed({seed})` initialises it. It costs
what a trained model of this architecture costs to run, so it is good for measuring speed and memory, and for nothing else: its
scores mean nothing.

- Images: {size}x{size} px, normalised inside the graph (uint8 in, NHWC). Texts: CLIP's tokenizer, up to {context} tokens, padded to the
  longest of a batch. Embeddings: {dim} wide, of unit length. There are no patch vectors.
- Made by `python -m clip_in_training reference --architecture {architecture} --seed {seed}`. Licence: Apache-2.0; the vocabulary is CLIP's (MIT).

## Parity

| graph | 1 - cosine, worst | mean | largest difference of a coordinate |
|---|---|---|---|
{parity}

Compared with open_clip in fp32 PyTorch, texts there padded to the full {context} tokens, alone and in batches.
"""


def write_card(path: Path, manifest: dict) -> None:
    """Writes the card of a manifest whose fp32 variant is measured."""
    parity = manifest["variants"][0]["parity"]
    text = TEMPLATE.format(
        name=manifest["name"],
        architecture=manifest["provenance"]["architecture"],
        seed=manifest["provenance"]["seed"],
        size=manifest["image"]["size"][0],
        context=manifest["text"]["context_length"],
        dim=manifest["embedding_dim"],
        parity="\n".join(
            f"| {tower}.onnx | {p['worst']:.1e} | {p['mean']:.1e} | {p['max_abs']:.1e} |"
            for tower, p in parity.items()
        ),
    )
    path.write_text(text, encoding="utf-8")
