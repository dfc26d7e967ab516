"""How a backbone computes, without any change to what it computes."""

from typing import Any

from open_clip.hf_model import HFTextEncoder

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.bundle_backbone import BundleBackbone
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.backbone.text_tower import text_pieces


def checkpoint_activations(backbone: Backbone, enable: bool = True) -> None:
    """Keeps only what stands between blocks for the backward pass, and computes the rest again: less memory,
    about a third more time.

    No effect on a bundle's model, which is small. Raises `BackboneError` if an image tower cannot.
    """
    if not isinstance(backbone, OpenClipBackbone):
        return
    clip = backbone.clip
    trunk = getattr(clip.visual, "trunk", None)
    if trunk is not None:  # open_clip swallows the error of a timm tower that cannot.
        try:
            trunk.set_grad_checkpointing(enable)
        except (AttributeError, AssertionError, NotImplementedError) as error:
            raise BackboneError(
                f"{backbone.source}: the image tower has no gradient checkpointing; set "
                "backbone.gradient_checkpointing = false"
            ) from error
    clip.set_grad_checkpointing(enable)


def compile_towers(backbone: Backbone, **options: Any) -> None:
    """torch.compile of both towers, in place, under the same parameter names; after LoRA, if there is any.

    `options` are torch.compile's.
    """
    if isinstance(backbone, BundleBackbone):
        towers: tuple[Any, Any] = (backbone.model.image_tower, backbone.model.text_tower)
    elif not isinstance(backbone, OpenClipBackbone):
        raise BackboneError(f"no towers are known of a {type(backbone).__name__}")
    elif isinstance(getattr(backbone.clip, "text", None), HFTextEncoder):
        towers = (backbone.clip.visual, backbone.clip.text)
    else:
        towers = (backbone.clip.visual, text_pieces(backbone.clip).transformer)
    for tower in towers:
        tower.compile(**options)
