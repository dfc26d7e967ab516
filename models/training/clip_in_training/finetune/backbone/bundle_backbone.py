"""A bundle that this module trained from scratch, as a `Backbone`."""

import copy
from pathlib import Path

from PIL import Image
from torch import Tensor, nn

from clip_in_training.common.errors import BackboneError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.backbone.backbone import Backbone, ImageRules
from clip_in_training.finetune.backbone.images import Preprocess
from clip_in_training.finetune.backbone.logit_scale import bounded_scale
from clip_in_training.finetune.backbone.stretch import stretched
from clip_in_training.finetune.backbone.text_rules import TokenizerRules
from clip_in_training.scratch.model import DualEncoder, load_bundle
from clip_in_training.scratch.model.bundle import read_manifest


class BundleBackbone(Backbone):
    """A `DualEncoder` with its rules. Its text encoder has rotary positions, or CLIP's learnt table."""

    def __init__(self, model: DualEncoder, image_rules: ImageRules, text_rules: TokenizerRules, source: str):
        super().__init__()
        self.model = model
        self.image_rules, self.text_rules, self.source = image_rules, text_rules, source
        self.embedding_dim = model.text_tower.projection.out_features
        self.family = "softmax"
        self.positions = "rope" if model.text_tower.positions is None else "absolute"
        # Patch vectors have no part in fine-tuning, so nothing would teach their projection.
        model.image_tower.patch_projection.requires_grad_(False)
        self.fixed = frozenset(name for name, p in self.named_parameters() if not p.requires_grad)
        """Parameters that never train."""
        self._preprocess = Preprocess(image_rules)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim], fp32."""
        return self.model.encode_image(pixels)

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """int64 [batch, length] to unit vectors [batch, embedding_dim], fp32."""
        return self.model.encode_text(token_ids)

    def scale(self) -> Tensor:
        """exp(logit_scale), at most 100."""
        return bounded_scale(self.model.logit_scale)

    def bias(self) -> Tensor:
        """0: the softmax family has none."""
        return self.model.logit_scale.new_zeros(())

    def preprocess(self, image: Image.Image) -> Tensor:
        """uint8 [size, size, 3] by `image_rules`."""
        return self._preprocess(image)


def changed_bundle_backbone(backbone: BundleBackbone, positions: str, context_length: int) -> BundleBackbone:
    """A copy with the positions and the context of a recipe: the table is dropped, or stretched as
    `stretch.stretched` says. Raises `BackboneError` if rotary positions shall become a table.
    """
    changed = copy.deepcopy(backbone)
    tower = changed.model.text_tower
    if positions == "rope":
        tower.positions = None
    elif tower.positions is None:
        raise BackboneError(f'backbone.positions must be "rope": {backbone.source} has no table of positions')
    elif context_length > len(tower.positions):
        tower.positions = nn.Parameter(stretched(tower.positions.detach(), context_length))
    changed.positions = positions
    changed.text_rules = backbone.text_rules.with_context(context_length)
    return changed


def load_bundle_backbone(folder: Path) -> BundleBackbone:
    """The model of a bundle as it was trained.

    Raises `BackboneError` if the folder is no bundle, or one that was not trained from scratch.
    """
    try:
        manifest = read_manifest(folder)
        model, _, tokenize = load_bundle(folder)
    except BackboneError as error:
        raise BackboneError(f"backbone.name bundle:{folder}: {error}") from error
    except FileNotFoundError as error:
        raise BackboneError(f"backbone.name bundle:{folder}: no bundle there ({error})") from error
    except (KeyError, RecipeError, RuntimeError, ValueError) as error:
        raise BackboneError(
            f"backbone.name bundle:{folder}: not a bundle that `train` and `export` made from scratch, so "
            f"PyTorch weights to train on are missing; name the backbone that it came from instead ({error})"
        ) from error
    image, text = manifest["image"], manifest["text"]
    rules = ImageRules(
        size=image["size"][0],
        mean=tuple(image["mean"]),
        std=tuple(image["std"]),
        interpolation=image["interpolation"],
        resize_mode=image["resize_mode"],
        fill_color=image.get("fill_color", 0),
    )
    text_rules = TokenizerRules(tokenize.tokenizer, text["context_length"], "longest", *tokenize.special)
    return BundleBackbone(model, rules, text_rules, f"bundle {manifest['name']}")
