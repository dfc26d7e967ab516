"""The argument of `export --from`: a published checkpoint, exported unchanged."""

import re
from dataclasses import dataclass
from pathlib import Path

from clip_in_training.common.errors import ExportError
from clip_in_training.finetune.recipe import BackboneRecipe

SCHEME = "open_clip:"
OWN_WEIGHTS = ("hf-hub:", "local-dir:")
"""Names of open_clip that include their weights, so that no tag follows them."""


@dataclass(frozen=True)
class Source:
    """A checkpoint of open_clip."""

    name: str
    """open_clip's name, `hf-hub:ORG/NAME` or `local-dir:PATH`."""
    pretrained: str
    """A tag or a checkpoint file; "" if the name includes its weights, or for random weights."""

    def recipe(self) -> BackboneRecipe:
        """The source in the form that `backbone.load` takes."""
        return BackboneRecipe(name=self.name, pretrained=self.pretrained, positions="absolute")

    def label(self) -> str:
        """Name and tag for display, without local folders."""
        if self.pretrained:
            return f"{self.name} ({Path(self.pretrained).name})"
        kind, path = self.name.split(":", 1)
        return path if kind == "hf-hub" else Path(path).name

    def api_name(self) -> str:
        """A model name that the manifest accepts, such as vit-b-32-openai."""
        if self.pretrained:
            file = "/" in self.pretrained or Path(self.pretrained).suffix in (".pt", ".bin", ".safetensors")
            return api_name(f"{self.name}-{Path(self.pretrained).stem if file else self.pretrained}")
        return api_name(Path(self.label()).name)


def api_name(words: str) -> str:
    """Converts a text to a name that the manifest accepts: [a-z0-9._-], at most 128 characters."""
    return re.sub(r"[^a-z0-9._-]+", "-", words.lower()).strip("-")[:128] or "model"


def parse_source(text: str) -> Source:
    """Reads `open_clip:NAME/TAG`, `open_clip:NAME/path/to/checkpoint.pt` or `open_clip:hf-hub:ORG/NAME`.

    Raises `ExportError`, which lists the possible forms.
    """
    if text.startswith(SCHEME):
        rest = text.removeprefix(SCHEME)
        if rest.startswith(OWN_WEIGHTS) and rest.split(":", 1)[1]:
            return Source(rest, "")
        name, slash, pretrained = rest.partition("/")
        if name and slash and pretrained:
            return Source(name, pretrained)
    raise ExportError(
        f"--from {text!r} names no checkpoint; write {SCHEME}NAME/TAG (open_clip:ViT-B-32/openai), "
        f"{SCHEME}NAME/path/to/checkpoint.pt, {SCHEME}hf-hub:ORG/NAME or {SCHEME}local-dir:PATH"
    )
