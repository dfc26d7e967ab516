"""model-card.md: description, training and quality of the model, from measured values only."""

from pathlib import Path

from clip_in_training.common.whole_file import replace_text
from clip_in_training.export.evaluate.benchmark import pairs_table, retrieval_rows

TEMPLATE = """# {name}

{description}. A dual encoder in the manner of CLIP, trained from scratch with the CLIP-IN losses (arXiv 2508.02329) on
drawn scenes: an image and a text become vectors of length {dim} whose cosine says how well they fit, fine enough to
tell a scene from the same scene with one thing changed.

- Image encoder: residual convolutional net, {image_parameters:,} parameters, {size}x{size} px, {grid}x{grid} patch vectors.
- Text encoder: {depth} transformer layers of width {width}, rotary positions, {text_parameters:,} parameters, up to
  {context} tokens.
- Licence: Apache-2.0. Data: drawn by this repository's own generator, no third-party images or texts.

## Training

{edits:,} training edits, the same number of each of these kinds: {categories} (fingerprint `{fingerprint}`), seed {seed}. Stage A ({steps_a} steps)
teaches the image encoder the drawn attributes and where the characters of a code are; stage B ({steps_b} steps, {batch_pairs} edits a batch) trains both with:
{losses}. {start}It took {wall:.0f} minutes on the wall and {cpu:.0f} core-minutes on CPU (two cores, {precision}). The recipe is in
`bundle.json` under `provenance`.

## How well it does

All numbers are computed on the exported graphs, on held-out scenes whose seeds training never saw.

Pair rule of MMVP-VLM, text to image, short captions, {per_category} pairs a category, percent (chance 25; a tie is wrong), one draw:

{pairs}

Retrieval among {scenes} scenes, percent:

{retrieval}

Patch vectors come from the coarse feature map through a projection of their own, trained to answer to short captions; they
serve heat maps.

## Precisions

{precisions}

{parity_images} images and {parity_texts} texts were compared. Pair accuracy is the mean of the table above.

## Limits

It has seen drawn scenes only: twelve kinds of objects, eight colours, six kinds of small parts, six surfaces, tags of two or three
characters. On photographs, other objects and free language its scores mean little; train it on your own data first.
Where the table above is low, a difference is small in pixels (a shape variant, a small mark, one character): do not rely on it there.

## How sure, and where not

<!-- measured: written by code -->
Not measured yet: `python -m clip_in_training card --bundle DIR --write` does it.
<!-- end of measured -->
"""


def write_card(path: Path, values: dict) -> None:
    """Fills the template; `values` come from the export (see `export.bundle`)."""
    benchmarks = values["benchmarks"]
    text = TEMPLATE.format(
        **{key: v for key, v in values.items() if key != "benchmarks"},
        pairs=pairs_table({"fp32": benchmarks["pairs"]}, "graph"),
        retrieval=retrieval_rows({"fp32": benchmarks["retrieval"]}, "graph"),
        per_category=benchmarks["counts"]["pairs_per_category"],
        scenes=benchmarks["counts"]["scenes"],
    )
    replace_text(path, text)
