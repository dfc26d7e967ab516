"""Which parameters of a backbone train."""

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.lora import add_adapters, has_adapters
from clip_in_training.finetune.backbone.towers import Tower, parameters, towers
from clip_in_training.finetune.recipe import FinetuneRecipe


def trainable(backbone: Backbone, recipe: FinetuneRecipe) -> int:
    """Freezes what `recipe.trains` leaves out; returns how many values train.

    all, text (image tower frozen), last_blocks (of both towers, with what comes behind them), lora
    (adapters in all blocks of both towers; to be merged by `lora.merged`). Logit scale and bias always
    train. What a model keeps fixed by design (a sine table) stays so. Raises `BackboneError` if the model
    has no such parts.
    """
    parts = towers(backbone)
    if has_adapters(backbone):
        raise BackboneError("this backbone has adapters already; `merged` makes them part of its weights")
    learns = list(parts.similarity)
    if recipe.trains == "all":
        learns += backbone.parameters()
    elif recipe.trains == "text":
        learns += parameters(parts.text.pieces)
    elif recipe.trains == "last_blocks":
        learns += _last(parts.image, recipe.last_blocks, backbone, "image")
        learns += _last(parts.text, recipe.last_blocks, backbone, "text")
    elif recipe.trains != "lora":
        raise BackboneError(f"finetune.trains {recipe.trains!r} is not one of all, text, last_blocks, lora")
    chosen = {id(parameter) for parameter in learns}
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(id(parameter) in chosen and name not in backbone.fixed)
    if recipe.trains == "lora":
        add_adapters(backbone, recipe.lora)
    return sum(parameter.numel() for parameter in backbone.parameters() if parameter.requires_grad)


def _last(tower: Tower, count: int, backbone: Backbone, which: str):
    if count < 0:
        raise BackboneError(f"finetune.last_blocks is {count}; it must be 0 or more")
    if not tower.blocks:
        raise BackboneError(
            f"the {which} tower of this model is no sequence of blocks: finetune.trains must be all or text"
        )
    chosen = tower.blocks[max(0, len(tower.blocks) - count) :]
    return parameters([*chosen, *tower.behind])
