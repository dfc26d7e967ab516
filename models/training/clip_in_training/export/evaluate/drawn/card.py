"""The measured section of a bundle's model card; written again whenever it is measured."""

from pathlib import Path

from clip_in_training.export.card_section import put_section
from clip_in_training.export.evaluate.drawn.measure import measure_drawn
from clip_in_training.export.evaluate.drawn.tables import report
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums, write_json
from clip_in_training.scratch.model.bundle import read_manifest
from clip_in_training.scratch.recipe import kept_recipe
from clip_in_training.scratch.scenes.coverage import never_changed
from clip_in_training.scratch.tokenizer.encode import load_tokenizer

BEGIN, END = "<!-- measured: written by code -->", "<!-- end of measured -->"
TITLE = "## How sure, and where not"
SEEDS = (101, 102, 103, 104, 105)


def measured_section(bundle: Path, pairs: int, scenes: int) -> str:
    """The tables of a bundle that was trained from scratch on the drawn scenes. Raises KeyError for other bundles."""
    manifest = read_manifest(bundle)
    recipe = kept_recipe(manifest)
    tokenize = load_tokenizer(bundle / manifest["tokenizer"], manifest["text"]["context_length"])
    graphs = Graphs(bundle / "image.onnx", bundle / "text.onnx", tokenize)
    measured = measure_drawn(graphs, recipe.data.image_size, SEEDS, pairs, scenes)
    return report(measured, never_changed(recipe.data.categories, recipe.data.setting.edit))


def put_into_card(bundle: Path, tables: str) -> None:
    """Replaces the section in `model-card.md`, or adds it where there is none, and the card's checksum."""
    put_section(bundle, BEGIN, END, TITLE, f"{BEGIN}\n{tables}\n{END}")
    manifest = read_manifest(bundle)
    manifest["files"] = checksums(bundle)
    write_json(bundle / "bundle.json", manifest)
