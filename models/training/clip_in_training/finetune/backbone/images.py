"""A picture to the encoder's input by `ImageRules`: open_clip's geometry, the server's colours."""

import numpy as np
import torch
from open_clip.transform import CenterCropOrPad, ResizeKeepRatio
from PIL import Image
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import ImageRules

FILTERS = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}


class Preprocess:
    """A PIL image to uint8 [size, size, 3].

    Colour modes become RGB before the resize (open_clip: after it), as everywhere in this project: a
    palette's numbers cannot be averaged. A class and not a closure, so that reading processes can be sent
    one.
    """

    def __init__(self, rules: ImageRules):
        if rules.interpolation not in FILTERS:
            raise BackboneError(
                f"image interpolation {rules.interpolation!r} is not known here; {', '.join(FILTERS)} are"
            )
        size, interpolation = rules.size, FILTERS[rules.interpolation]
        steps = {
            "shortest": [Resize(size, interpolation), CenterCrop(size)],
            "squash": [Resize((size, size), interpolation)],
            "longest": [
                ResizeKeepRatio(size, longest=1, interpolation=interpolation),
                CenterCropOrPad(size, fill=rules.fill_color),
            ],
        }
        if rules.resize_mode not in steps:
            raise BackboneError(
                f"image resize mode {rules.resize_mode!r} is not known here; {', '.join(steps)} are"
            )
        self.geometry = Compose(steps[rules.resize_mode])

    def __call__(self, image: Image.Image) -> Tensor:
        """Of any size and colour mode."""
        return torch.from_numpy(np.array(self.geometry(image.convert("RGB")), dtype=np.uint8))
