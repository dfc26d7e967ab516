"""A backbone's parameters as AdamW's groups."""

from collections.abc import Sequence

from torch import nn

from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.towers import Piece, parameters, towers
from clip_in_training.finetune.recipe import TuningOptimiserRecipe


def parameter_groups(backbone: Backbone, recipe: TuningOptimiserRecipe) -> list[dict]:
    """Groups of the parameters that train, with a rate for each part: `name`, `params`, `lr`, `weight_decay`.

    Weights decay only in matrices that every step uses. Vectors (biases, norms, class token, logit scale)
    do not decay, as in CLIP. Nor do tables of embeddings: a step touches few rows of the 49,408, but AdamW
    would shrink all, and with stage 1's rates (5e-4 * 0.1) the words that the captions lack would lose 40 %
    in 10,000 steps.
    """
    parts = towers(backbone)
    tables = {id(module.weight) for module in backbone.modules() if isinstance(module, nn.Embedding)} | {
        id(p) for name, p in backbone.named_parameters() if name.endswith(_TABLES)
    }
    rates: dict[str, tuple[Sequence[Piece], float]] = {
        "image": (parts.image.pieces, recipe.image_learning_rate),
        "text": (parts.text.pieces, recipe.text_learning_rate),
        "logit_scale": (parts.similarity, recipe.logit_scale_learning_rate),
    }
    groups = []
    for part, (pieces, rate) in rates.items():
        learns = [p for p in parameters(pieces) if p.requires_grad]
        decays = [p for p in learns if p.ndim >= 2 and id(p) not in tables]
        decaying = {id(p) for p in decays}
        rest = [p for p in learns if id(p) not in decaying]
        for suffix, chosen, decay in (("", decays, recipe.weight_decay), ("_no_decay", rest, 0.0)):
            if chosen:
                groups.append(
                    {
                        "name": part + suffix,
                        "params": chosen,
                        "lr": rate or recipe.learning_rate,
                        "weight_decay": decay,
                    }
                )
    return groups


_TABLES = ("positional_embedding", "pos_embed", "cls_token", "reg_token", "class_embedding", "latent")
