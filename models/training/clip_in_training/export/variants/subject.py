"""The inputs with which a bundle's variants are compared, calibrated and tested."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import ExportError
from clip_in_training.export.evaluate.benchmark import edit_pair_accuracy
from clip_in_training.export.evaluate.graphs import Graphs, Tokenize
from clip_in_training.export.golden import TEXTS
from clip_in_training.export.inputs import drawn
from clip_in_training.export.original import original
from clip_in_training.export.parity import Checks, checks
from clip_in_training.export.reload import reload_backbone
from clip_in_training.scratch.data.examples import Examples, load_edits
from clip_in_training.scratch.model.bundle import load_bundle
from clip_in_training.scratch.recipe import kept_recipe
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES
from clip_in_training.small.export.material import material
from clip_in_training.small.export.reload import SHAPE, reload_small

CHECKED = 72
CALIBRATED = 200


@dataclass
class Subject:
    """A bundle's model and its inputs."""

    tokenize: Tokenize
    checks: Checks
    pixels: np.ndarray
    """Images for calibration, uint8 [rows, size, size, 3]; none of them is used for comparison or tests."""
    texts: list[str]
    """Texts for calibration."""
    accuracy: Callable[[Graphs], float] | None
    """Mean pair accuracy on the test edits in percent; None if there is no such benchmark."""

    def image_feeds(self) -> Iterator[np.ndarray]:
        """Batches for the calibration of an image graph."""
        return (np.ascontiguousarray(self.pixels[i : i + 8]) for i in range(0, len(self.pixels), 8))

    def text_feeds(self) -> Iterator[np.ndarray]:
        """One text at a time, because padding would be part of the calibration otherwise."""
        return (self.tokenize([text]).numpy() for text in self.texts)


def subject_of(folder: Path, manifest: dict) -> Subject:
    """Loads the model and inputs of a bundle.

    Raises `DataError` if the test or validation edits of its recipe were not generated, and `BackboneError` if
    published weights are not available. Raises `ExportError` if these weights, or a reference's random ones, differ
    from those of the bundle, or if the bundle was not written by `export` or `reference`.
    """
    source = manifest["provenance"]
    if "backbone" in source or "architecture" in source:
        backbone = reload_backbone(folder, manifest)
        inputs, rules = drawn(backbone.image_rules.size), backbone.text_rules
        known = checks(original(backbone), rules, inputs.checked.pixels, inputs.checked.texts)
        calibrated = inputs.calibration()
        return Subject(rules, known, calibrated.pixels, calibrated.texts, None)
    if SHAPE in source:
        small, small_recipe = reload_small(folder, manifest)
        inputs = material(small_recipe)
        known = checks(small, small.text_rules, inputs.checked.pixels, inputs.checked.texts)
        calibrated = inputs.calibration()
        return Subject(small.text_rules, known, calibrated.pixels, calibrated.texts, None)
    if "recipe_text" not in source:
        raise ExportError(
            f"{folder} was not trained here, so there are no inputs for calibration and measurement. "
            "Variants can be added only to bundles that `export` or `reference` wrote"
        )
    recipe = kept_recipe(manifest)
    root, size = Path(recipe.data.directory), recipe.data.image_size
    test = load_edits(root / "test", size, ATTRIBUTES)
    validation = load_edits(root / "validation", size, ATTRIBUTES)
    model, _, tokenize = load_bundle(folder)
    return Subject(
        tokenize,
        checks(model, tokenize, *check_inputs(test)),
        *_spread(validation, CALIBRATED),
        lambda graphs: edit_pair_accuracy(graphs, test)["mean"],
    )


def check_inputs(edits: Examples) -> tuple[np.ndarray, list[str]]:
    """Images and texts to compare runtimes on: some of each category, short, long and unusual ones."""
    pixels, texts = _spread(edits, CHECKED)
    return pixels, [*texts, *TEXTS]


def _spread(edits: Examples, rows: int) -> tuple[np.ndarray, list[str]]:
    """Images and captions of rows at even distances, alternating sides and lengths."""
    chosen = np.linspace(0, len(edits) - 1, min(rows, len(edits))).astype(int)
    pixels = np.stack([edits.pixels[row, turn % 2] for turn, row in enumerate(chosen)])
    captions = (edits.short, edits.long)
    return pixels, [captions[turn // 2 % 2][row][turn % 2] for turn, row in enumerate(chosen)]
