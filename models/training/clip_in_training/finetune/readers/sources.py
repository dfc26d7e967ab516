"""From the recipe's [[sources]] to readers, and what identifies the data they read."""

import hashlib
import importlib
import json
from collections.abc import Sequence

from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.readers.chosen import Chosen, opened_with
from clip_in_training.finetune.readers.reader import Reader
from clip_in_training.finetune.readers.sides import Sides
from clip_in_training.finetune.recipe import SourceRecipe

KINDS = {
    "ultraedit": "ultraedit.UltraEdit",
    "edit_jsonl": "edit_jsonl.EditJsonLines",
    "sharegpt4v": "sharegpt4v.ShareGpt4V",
    "dci": "dci.DenselyCaptionedImages",
    "docci": "docci.Docci",
    "webdataset": "tars.Tars",
    "folder": "folder.Folder",
    "texts": "texts.Texts",
}
HUB = "hub:"
FILTERED = ("ultraedit",)
"""Kinds that have quality columns."""


def open_source(recipe: SourceRecipe, key: str = "source") -> Reader:
    """The reader of one source. `key` is named in `RecipeError`; `DataError` names the file that does not
    fit.
    """
    if recipe.kind not in KINDS:
        raise RecipeError(f"`{key}.kind` must be one of {', '.join(KINDS)}, not {recipe.kind!r}")
    if not recipe.weight > 0:
        raise RecipeError(
            f"`{key}.weight` must be above 0, not {recipe.weight}; leave the source out instead"
        )
    for name, number in (("limit", recipe.limit), ("skip", recipe.skip)):
        if number < 0:
            raise RecipeError(f"`{key}.{name}` must not be negative")
    if recipe.filters and recipe.kind not in FILTERED:
        raise RecipeError(f"`{key}.filters`: a source of kind {recipe.kind} has no quality columns")
    place = KINDS[recipe.kind]
    if recipe.path.startswith(HUB):
        if recipe.kind != "ultraedit":
            raise RecipeError(f"`{key}.path`: only sources of kind ultraedit come from the Hub")
        place = "hub.HubEdits"
    module, name = place.split(".")
    reader = getattr(importlib.import_module(f"clip_in_training.finetune.readers.{module}"), name)(
        opened_with(recipe)
    )
    if recipe.skip or recipe.exclude:
        reader = Chosen(recipe, reader)
    if recipe.role in ("", reader.role):
        return reader
    if recipe.role == "singles":
        return Sides(reader)
    raise RecipeError(
        f"`{key}.role`: a source of kind {recipe.kind} gives {reader.role}, not {recipe.role!r}"
    )


def open_sources(recipes: Sequence[SourceRecipe]) -> list[Reader]:
    """The readers of all sources, in the recipe's order. Raises `RecipeError` and `DataError`."""
    return [open_source(recipe, f"sources[{number}]") for number, recipe in enumerate(recipes)]


def describe(sources: Sequence[Reader]) -> list[dict]:
    """What was read of each source, for the report and a bundle's provenance."""
    return [
        {
            "kind": reader.recipe.kind,
            "path": reader.recipe.path,
            "role": reader.role,
            "total": reader.total,
            "used": len(reader),
            "left_out": reader.left_out,
            "notes": reader.notes,
            "fingerprint": fingerprint([reader]),
        }
        for reader in sources
    ]


def fingerprint(sources: Sequence[Reader]) -> str:
    """sha256 over names, sizes and describing parts of all files of the sources, and over which of their
    records are used. Terabytes are not read for it: images that lie in files of their own are not part of it.
    """
    digest = hashlib.sha256()
    for reader in sources:
        recipe = reader.recipe
        used = {"kind": recipe.kind, "filters": recipe.filters, "used": len(reader), "total": reader.total}
        if recipe.skip:
            used["skip"] = recipe.skip
        digest.update(json.dumps(used, sort_keys=True).encode())
        for file in reader.identity():
            digest.update(json.dumps(file).encode())
    return digest.hexdigest()
