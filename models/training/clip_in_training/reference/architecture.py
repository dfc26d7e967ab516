"""An architecture of open_clip with random weights, as the model that a bundle's graphs are compared with."""

import logging

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.errors import ExportError


class ReferenceModel(nn.Module):
    """open_clip's own code behind the two methods that an export asks for.

    Nothing is trimmed or rewritten here, so that the graphs are compared with what open_clip computes.
    """

    def __init__(self, clip: open_clip.CLIP):
        super().__init__()
        self.clip = clip
        self.size = clip.visual.image_size[0]
        self.context_length = clip.context_length
        self.embedding_dim = clip.visual.output_dim
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        self.mean, self.std = list(mean), list(std)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim]."""
        image = (pixels.to(torch.float32) / 255 - torch.tensor(self.mean)) / torch.tensor(self.std)
        return self.clip.encode_image(image.permute(0, 3, 1, 2), normalize=True)

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """Ids [batch, length], padded with 0 to the full context, to unit vectors [batch, embedding_dim]."""
        missing = self.context_length - token_ids.shape[1]
        return self.clip.encode_text(functional.pad(token_ids, (0, missing)), normalize=True)

    def scale(self) -> Tensor:
        """The factor of the cosines, already exponentiated."""
        return self.clip.logit_scale.exp()


def build(architecture: str, seed: int) -> ReferenceModel:
    """The same name and seed give the same weights.

    Raises `ExportError` if open_clip has no such architecture, or if it is not a plain CLIP with a ViT, which
    is all that `reference.graphs` can express.
    """
    if architecture not in open_clip.list_models():
        raise ExportError(f"open_clip has no architecture {architecture!r}; e.g. ViT-B-32, ViT-L-14")
    torch.manual_seed(seed)
    logging.disable(logging.WARNING)  # "No pretrained weights loaded": as intended
    try:
        clip = open_clip.create_model(architecture, pretrained=None).eval()
    finally:
        logging.disable(logging.NOTSET)
    visual = getattr(clip, "visual", None)
    plain = (
        type(clip) is open_clip.CLIP
        and isinstance(visual, open_clip.transformer.VisionTransformer)
        and (visual.pool_type, clip.text_pool_type) == ("tok", "argmax")
        and visual.attn_pool is None
        and clip.attn_mask is not None
        and clip.vocab_size == 49408
        and visual.image_size[0] == visual.image_size[1]
        and any(isinstance(module, nn.MultiheadAttention) for module in clip.modules())
    )
    if not plain:
        raise ExportError(f"{architecture} is not a plain CLIP with a ViT; e.g. ViT-B-32, ViT-B-16, ViT-L-14")
    return ReferenceModel(clip)
