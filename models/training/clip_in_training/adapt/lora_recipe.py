"""The recipe by which `--way lora` fine-tunes the towers themselves on pairs.

It takes a bundle whose PyTorch weights can be had: one that `train` and `export` made (its last block trains), or a
published checkpoint that `export --from` wrote (LoRA in all blocks). Drawn edits, dealt as single images, are
replayed beside the pairs and anchored to the start.
"""

import dataclasses
from pathlib import Path
from typing import Any

from clip_in_training.adapt.pairs import PairFolder
from clip_in_training.common.errors import ExportError
from clip_in_training.finetune.recipe import (
    BackboneRecipe,
    FinetuneRecipe,
    SourceRecipe,
    TuningLossRecipe,
    TuningOptimiserRecipe,
    TuningRecipe,
)


@dataclasses.dataclass(frozen=True)
class LoraSettings:
    """What decides the result beside the pairs, the bundle and the seed."""

    steps: int = 200
    pairs: int = 16
    """A step."""
    singles: int = 32
    """Replayed images a step."""
    learning_rate: float = 1e-4
    anchor: float = 10.0


def recipe_of(
    bundle: Path,
    manifest: dict[str, Any],
    pairs: PairFolder,
    replayed: Path,
    seed: int,
    settings: LoraSettings,
) -> TuningRecipe:
    """The recipe of the fine-tuning. Raises `ExportError` for bundles whose weights cannot be trained."""
    if not pairs.files["train"]:
        raise ExportError(f"{pairs.folder} has no train.parquet, which --way lora needs; use --way adapters")
    return TuningRecipe(
        name=manifest["name"],
        description=manifest.get("description", ""),
        backbone=backbone_of(bundle, manifest),
        seed=seed,
        precision="fp32",
        workers=0,
        checkpoint_every=20,
        sources=[
            *(SourceRecipe(kind="ultraedit", path=str(path)) for path in pairs.files["train"]),
            SourceRecipe(kind="ultraedit", path=str(replayed), role="singles"),
        ],
        finetune=FinetuneRecipe(
            steps=settings.steps,
            pairs=settings.pairs,
            singles=settings.singles,
            trains="last_blocks" if _from_scratch(manifest) else "lora",
            last_blocks=1,
            optimiser=TuningOptimiserRecipe(learning_rate=settings.learning_rate, weight_decay=0.1),
            losses=TuningLossRecipe(
                clip_long=0.0,
                hard_negative_short=0.0,
                clip_images="singles",
                within_pair_short=1.0,
                anchor=settings.anchor,
            ),
        ),
    )


def _from_scratch(manifest: dict[str, Any]) -> bool:
    source = manifest.get("provenance", {})
    return "recipe_text" in source and not {"text_shape", "backbone"} & source.keys()


def backbone_of(bundle: Path, manifest: dict[str, Any]) -> BackboneRecipe:
    """What the bundle is as a backbone. Raises `ExportError` if its weights cannot be trained."""
    source = manifest.get("provenance", {})
    context, positions = int(manifest["text"]["context_length"]), manifest["text"]["positions"]
    if source.get("adapted"):
        raise ExportError(
            f"{bundle} was adapted, and its model.safetensors holds the weights from before; use --way adapters, "
            "or adapt the bundle that it came from"
        )
    if _from_scratch(manifest) and (bundle / "model.safetensors").is_file():
        return BackboneRecipe(f"bundle:{bundle}", positions=positions, context_length=context)
    published = source.get("backbone", {})
    if published.get("name") and not (bundle / "model.safetensors").is_file():
        return BackboneRecipe(
            published["name"], published.get("pretrained", ""), positions=positions, context_length=context
        )
    raise ExportError(
        f"{bundle} has no weights that can be trained here (it was imported, or is a family of its own); "
        "use --way adapters, which needs the graphs alone"
    )
